#!/usr/bin/env bash
# Builds the sdxl binary on a Debian machine: packages, LibTorch, build. Does only what is missing.
#   tools/setup.sh            the binary, as build/sdxl
#   tools/setup.sh --tests    the test programs too
#   tools/setup.sh --cuda     libsdxl_cuda.so too (nvcc and a minute or two more); default if an NVIDIA driver is present
#   tools/setup.sh --npu      also libsdxl_npu.so, for groups of Ascend NPUs (fetches torch-npu, 43 MB)
# An existing build/ keeps its configuration. Otherwise sources are compiled several at a time, which is fastest from
# nothing. For work on the code, where changes should compile fast, configure it before:
#   cmake --preset release -DSDXL_DEPS="$(tools/deps/wheels.sh)"
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/deps/packages.sh
targets=(sdxl judge)
cuda=
npu=
[ ! -e /proc/driver/nvidia/version ] && ! command -v nvidia-smi >/dev/null || cuda=1
for argument in "$@"; do
  case $argument in
    --tests) targets=(all) ;;
    --cuda) cuda=1 ;;
    --npu) npu=1 ;;
    *) echo "tools/setup.sh: $argument is unknown: give --tests, --cuda, --npu" >&2; exit 2 ;;
  esac
done

packages=(g++ cmake ninja-build ccache mold git python3 python3-pip pkg-config ca-certificates zlib1g-dev
  libcli11-dev nlohmann-json3-dev libspdlog-dev libstb-dev libjpeg62-turbo-dev libwebp-dev
  libavif-dev libtiff-dev libgif-dev libzip-dev libutf8proc-dev libsentencepiece-dev libcurl4-openssl-dev libssl-dev
  libarchive-dev libyaml-cpp-dev libgtest-dev libgmock-dev)
install_packages "${packages[@]}"

SDXL_DEPS=$(tools/deps/wheels.sh)
[ -f build/build.ninja ] || cmake --preset release -DSDXL_DEPS="$SDXL_DEPS" -DCMAKE_UNITY_BUILD=ON -DSDXL_CUDA=OFF >&2
[ -z "$cuda" ] || cmake -DSDXL_CUDA=ON build >&2
[ -z "$npu" ] || cmake -DSDXL_TORCH_NPU_ROOT="$(tools/deps/torch_npu.sh)" build >&2
cmake --build --preset release --target "${targets[@]}" >&2
