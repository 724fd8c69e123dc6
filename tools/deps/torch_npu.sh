#!/usr/bin/env bash
# Fetches the torch-npu wheel of third_party/torch_npu.txt and unpacks torch_npu/ (headers and
# libraries, about 200 MB) into $SDXL_TORCH_NPU_ROOT (default ~/.cache/sdxl/torch_npu/<hash>-<machine>),
# which it prints. Does nothing when the folder is there.
set -euo pipefail
. "$(dirname "$0")/pinned_wheels.sh"
root=${SDXL_TORCH_NPU_ROOT:-$(cache_folder torch_npu.txt torch_npu)}
if [ -e "$root/version.py" ]; then echo "$root"; exit 0; fi

make_work_folder "$root"
echo "fetching torch-npu (43 MB) …" >&2
download torch_npu.txt 3.11
python3 -m zipfile -e "$work"/wheels/*.whl "$work/unpacked"
mv -T "$work/unpacked/torch_npu" "$root" 2>/dev/null || [ -e "$root/version.py" ]
echo "$root"
