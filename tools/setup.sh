#!/usr/bin/env bash
# Makes the sdxl binary on a Debian machine: packages, LibTorch, build. Does only what is missing.
#   tools/setup.sh            the binary, as build/sdxl
#   tools/setup.sh --tests    the test programs too
set -euo pipefail
cd "$(dirname "$0")/.."
targets=(sdxl)
[ "${1:-}" != --tests ] || targets=(all)

packages=(g++ cmake ninja-build ccache mold git python3 python3-pip pkg-config ca-certificates zlib1g-dev
  libcli11-dev nlohmann-json3-dev libspdlog-dev libstb-dev libjpeg62-turbo-dev libwebp-dev
  libutf8proc-dev libcurl4-openssl-dev libssl-dev libarchive-dev libyaml-cpp-dev libgtest-dev libgmock-dev)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}" >&2
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >&2
fi

SDXL_DEPS=$(tools/wheels.sh)
[ -f build/build.ninja ] || cmake --preset release -DSDXL_DEPS="$SDXL_DEPS" >&2
cmake --build --preset release --target "${targets[@]}" >&2
