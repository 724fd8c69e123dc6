# Compiler cache, linker and warnings. sdxl::warnings carries the warnings for our own sources.
find_program(SDXL_CCACHE ccache)
if(SDXL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # pch_defines and time_macros let ccache work with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SDXL_CCACHE})
endif()

find_program(SDXL_MOLD mold)
if(SDXL_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fpch-preprocess)
endif()
add_compile_options(-fvisibility=hidden -ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections -Wl,--as-needed)

add_library(sdxl_warnings INTERFACE)
add_library(sdxl::warnings ALIAS sdxl_warnings)
target_compile_options(sdxl_warnings INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms on std::string (GCC bugs 105329 and 105651).
  target_compile_options(sdxl_warnings INTERFACE -Wno-restrict -Wno-stringop-overflow
                         -Wno-array-bounds)
endif()

# With CMAKE_UNITY_BUILD (tools/setup.sh: three times faster from nothing, slower after a change) the
# sources of a library are compiled as few files: names in anonymous namespaces are unique in a library.
set(CMAKE_UNITY_BUILD_BATCH_SIZE 12 CACHE STRING "Sources that a unity build compiles as one")
if(CMAKE_UNITY_BUILD)
  # False alarms on what is in a source but not in the main file.
  target_compile_options(sdxl_warnings INTERFACE -Wno-subobject-linkage)
endif()

# The same numbers whatever the instruction set, and square roots in vectors.
add_compile_options(-ffp-contract=off -fno-math-errno)
