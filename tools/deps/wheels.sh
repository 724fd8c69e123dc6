#!/usr/bin/env bash
# Fetches the wheels of third_party/wheels.txt and unpacks what the build needs of them into one
# folder, $SDXL_DEPS (default ~/.cache/sdxl/deps/<hash of the list>-<machine>), and prints that folder.
# Does nothing when the folder is there. Layout: lib/ include/ (LibTorch), arrow/ (Arrow and Parquet).
set -euo pipefail
. "$(dirname "$0")/pinned_wheels.sh"
deps=${SDXL_DEPS:-$(cache_folder wheels.txt deps)}
if [ -e "$deps/.complete" ]; then echo "$deps"; exit 0; fi

make_work_folder "$deps"
echo "fetching LibTorch and Arrow (about 600 MB) …" >&2
download wheels.txt 3.12

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
