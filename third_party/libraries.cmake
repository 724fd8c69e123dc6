# The libraries that come from Debian (names of the packages in tools/setup.sh).
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)                  # zlib licence
find_package(JPEG REQUIRED)                  # libjpeg-turbo 2.1, BSD-3-Clause and IJG
find_package(CURL REQUIRED)                  # curl licence
find_package(OpenSSL REQUIRED COMPONENTS Crypto)  # OpenSSL 3, Apache-2.0
find_package(LibArchive REQUIRED)            # BSD-2-Clause
find_package(yaml-cpp REQUIRED)              # MIT
find_package(CLI11 REQUIRED)                 # BSD-3-Clause
find_package(nlohmann_json REQUIRED)         # MIT
find_package(spdlog REQUIRED)                # MIT
find_package(PkgConfig REQUIRED)
pkg_check_modules(webp REQUIRED IMPORTED_TARGET libwebp)                # BSD-3-Clause
pkg_check_modules(avif REQUIRED IMPORTED_TARGET libavif)                # BSD-2-Clause
pkg_check_modules(zip REQUIRED IMPORTED_TARGET libzip)                  # BSD-3-Clause
find_package(TIFF REQUIRED)                  # libtiff licence
find_package(GIF REQUIRED)                   # MIT
find_library(SDXL_UTF8PROC utf8proc REQUIRED)                           # MIT
find_library(SDXL_SENTENCEPIECE sentencepiece REQUIRED)                 # Apache-2.0
find_path(SDXL_STB_INCLUDE stb/stb_image.h REQUIRED)                    # public domain

add_library(sdxl_pictures INTERFACE)
add_library(sdxl::pictures ALIAS sdxl_pictures)
target_include_directories(sdxl_pictures SYSTEM INTERFACE ${SDXL_STB_INCLUDE})
target_link_libraries(sdxl_pictures INTERFACE JPEG::JPEG PkgConfig::webp PkgConfig::avif
                                              TIFF::TIFF GIF::GIF)

add_library(sdxl_tokenizers_libraries INTERFACE)
add_library(sdxl::tokenizers ALIAS sdxl_tokenizers_libraries)
target_link_libraries(sdxl_tokenizers_libraries INTERFACE ${SDXL_UTF8PROC} ${SDXL_SENTENCEPIECE})

if(SDXL_BUILD_TESTS)
  find_package(GTest REQUIRED)               # BSD-3-Clause
endif()
