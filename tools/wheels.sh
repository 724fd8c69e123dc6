#!/usr/bin/env bash
# Fetches the wheels of third_party/wheels.txt and unpacks what the build needs of them into one
# folder, $SDXL_DEPS (default ~/.cache/sdxl/deps/<hash of the list>-<machine>), and prints that folder.
# Does nothing when the folder is there. Layout: lib/ include/ (LibTorch), arrow/ (Arrow and Parquet).
set -euo pipefail
list=$(cd "$(dirname "$0")/../third_party" && pwd)/wheels.txt
machine=$(uname -m)
key=$(sha256sum "$list" | cut -c1-12)
deps=${SDXL_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/sdxl/deps/$key-$machine}
if [ -e "$deps/.complete" ]; then echo "$deps"; exit 0; fi

mkdir -p "$(dirname "$deps")"
work=$(mktemp -d "$deps.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching LibTorch and Arrow (about 600 MB) …" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
  --implementation cp --python-version 3.12 --dest "$work/wheels" \
  --platform "manylinux_2_28_$machine" --platform "manylinux_2_25_$machine" \
  --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" -r "$list" >&2

for wheel in "$work"/wheels/*.whl; do
  python3 - "$wheel" "$work/unpacked" <<'PY'
import sys, zipfile
wheel, target = sys.argv[1:]
skip = ("libtorch_cuda", "libtorch_python", "libtorch_nvshmem", "libnvperf", "libpcsampling", "libcheckpoint", "arrow_python",
        "libarrow_flight", "libarrow_substrait", "libarrow_dataset", "libarrow_acero")
keep = ("torch/lib/", "torch/include/", "torch/share/", "nvidia/cu13/lib/", "pyarrow/lib", "pyarrow/include/")
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        if name.startswith(keep) and not any(s in name.rsplit("/", 1)[-1] for s in skip):
            z.extract(name, target)
PY
done
mkdir -p "$work/out/arrow"
mv "$work"/unpacked/torch/lib "$work"/unpacked/torch/include "$work/out/"
mv "$work"/unpacked/nvidia/cu13/lib/* "$work/out/lib/"
mv "$work"/unpacked/pyarrow/include "$work/out/arrow/include"
mkdir "$work/out/arrow/lib"
mv "$work"/unpacked/pyarrow/lib{arrow,parquet}* "$work/out/arrow/lib/"
touch "$work/out/.complete"
mv -T "$work/out" "$deps" 2>/dev/null || [ -e "$deps/.complete" ]
echo "$deps"
