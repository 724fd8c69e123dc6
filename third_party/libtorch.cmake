# LibTorch 2.11.0 as sdxl::torch: libtorch_cpu and libc10, nothing of CUDA.
#
# By default the folder that tools/deps/wheels.sh unpacked (SDXL_DEPS). With -DTorch_DIR=…/share/cmake/Torch
# the LibTorch that this folder belongs to. find_package(Torch) is not used: that of the wheel fails
# without a CUDA toolkit and links CUDA's libraries with one.
if(Torch_DIR)
  cmake_path(SET SDXL_TORCH_ROOT NORMALIZE "${Torch_DIR}/../../..")
else()
  if(NOT SDXL_DEPS)
    execute_process(COMMAND bash ${PROJECT_SOURCE_DIR}/tools/deps/wheels.sh OUTPUT_VARIABLE SDXL_DEPS
                    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  endif()
  set(SDXL_TORCH_ROOT ${SDXL_DEPS})
  set(SDXL_ARROW_ROOT ${SDXL_DEPS}/arrow)
endif()
foreach(library torch_cpu c10)
  if(NOT EXISTS ${SDXL_TORCH_ROOT}/lib/lib${library}.so)
    message(FATAL_ERROR "no lib${library}.so in ${SDXL_TORCH_ROOT}/lib: run tools/setup.sh, or give "
                        "-DTorch_DIR=DIR/share/cmake/Torch of a LibTorch 2.11")
  endif()
  add_library(sdxl_${library} SHARED IMPORTED)
  set_target_properties(sdxl_${library} PROPERTIES
    IMPORTED_LOCATION ${SDXL_TORCH_ROOT}/lib/lib${library}.so)
endforeach()

add_library(sdxl_torch INTERFACE)
add_library(sdxl::torch ALIAS sdxl_torch)
target_include_directories(sdxl_torch SYSTEM INTERFACE
  ${SDXL_TORCH_ROOT}/include ${SDXL_TORCH_ROOT}/include/torch/csrc/api/include)
target_link_libraries(sdxl_torch INTERFACE sdxl_torch_cpu sdxl_c10)
# at::parallel_for is a plain loop in a source that is compiled without OpenMP. The runtime is the one that
# libtorch_cpu uses, so that both share their threads.
file(GLOB SDXL_OPENMP ${SDXL_TORCH_ROOT}/lib/libgomp*.so*)
if(SDXL_OPENMP AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(GET SDXL_OPENMP 0 SDXL_OPENMP)
  target_compile_options(sdxl_torch INTERFACE -fopenmp)
  target_link_libraries(sdxl_torch INTERFACE ${SDXL_OPENMP})
else()
  find_package(OpenMP COMPONENTS CXX)
  if(NOT OpenMP_CXX_FOUND)
    message(WARNING "no OpenMP for this compiler: the kernels of src/kernels will run on one thread")
  endif()
  target_compile_options(sdxl_torch INTERFACE ${OpenMP_CXX_FLAGS})
  target_link_libraries(sdxl_torch INTERFACE ${OpenMP_CXX_LIBRARIES})
endif()
# libtorch_cpu brings libcudart and libcupti, which lie beside it.
target_link_options(sdxl_torch INTERFACE -Wl,-rpath-link,${SDXL_TORCH_ROOT}/lib)

# One precompiled header for every library that uses ATen.
file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cc "")
add_library(sdxl_torch_pch OBJECT ${CMAKE_BINARY_DIR}/torch_pch.cc)
target_link_libraries(sdxl_torch_pch PRIVATE sdxl::torch sdxl::warnings)
target_precompile_headers(sdxl_torch_pch PRIVATE
  <ATen/ATen.h> <algorithm> <filesystem> <functional> <map> <memory> <optional> <string>
  <string_view> <utility> <vector> <nlohmann/json.hpp>)
function(sdxl_reuse_torch_pch target)
  target_precompile_headers(${target} REUSE_FROM sdxl_torch_pch)
  # The header was compiled with -fPIC; programs must be too, where CMake would say -fPIE.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC $<TARGET_PROPERTY:sdxl_torch,INTERFACE_COMPILE_OPTIONS>)
endfunction()
