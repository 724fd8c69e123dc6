#!/usr/bin/env bash
# Fetches the torch-npu wheel of third_party/torch_npu.txt and unpacks torch_npu/ (headers and
# libraries, about 200 MB) into $SDXL_TORCH_NPU_ROOT (default ~/.cache/sdxl/torch_npu/<hash>-<machine>),
# which it prints. Does nothing when the folder is there.
set -euo pipefail
list=$(cd "$(dirname "$0")/../third_party" && pwd)/torch_npu.txt
machine=$(uname -m)
key=$(sha256sum "$list" | cut -c1-12)
root=${SDXL_TORCH_NPU_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/sdxl/torch_npu/$key-$machine}
if [ -e "$root/version.py" ]; then echo "$root"; exit 0; fi

mkdir -p "$(dirname "$root")"
work=$(mktemp -d "$root.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching torch-npu (43 MB) …" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
  --implementation cp --python-version 3.11 --platform "manylinux_2_28_$machine" --dest "$work" -r "$list" >&2
python3 -m zipfile -e "$work"/*.whl "$work/unpacked"
mv -T "$work/unpacked/torch_npu" "$root" 2>/dev/null || [ -e "$root/version.py" ]
echo "$root"
