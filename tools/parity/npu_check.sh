#!/usr/bin/env bash
# Opens the real libtorch_npu.so of the torch-npu wheel on a machine without an NPU, and checks what sdxl reports without
# CANN and with a stand-in for it (cann_stub.c). TORCH_CPU_SITE may name the site-packages of a Python 3.11 with torch 2.11
# without CUDA; then the stand-in's devices must be listed too.
#   tools/parity/npu_check.sh [build/sdxl]
set -euo pipefail
cd "$(dirname "$0")/../.."
sdxl=$(realpath "${1:-build/sdxl}")
torch_npu=$(tools/deps/torch_npu.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/cann" "$work/site"
ln -s "$torch_npu" "$work/site/torch_npu"
for name in ascendcl hccl acl_op_compiler ge_runner graph acl_tdt_channel; do
  cc -shared -fPIC -o "$work/cann/lib$name.so" "-Wl,-soname,lib$name.so" tools/parity/cann_stub.c
done
failed=0

# expect TEXT ENVIRONMENT...: the NPU's part of `sdxl devices` holds TEXT.
expect() {
  local text=$1 output
  shift
  output=$(env "$@" "$sdxl" devices 2>&1 || true)
  if grep -qF -- "$text" <<<"$output"; then echo "ok: $text"; return; fi
  echo "MISSING: $text"; sed 's/^/  /' <<<"$output"; failed=1
}

expect "libhccl.so belongs to CANN and is not in LD_LIBRARY_PATH=''" PYTHONPATH="$work/site" LD_LIBRARY_PATH=
expect "libtorch_python.so is not in" PYTHONPATH="$work/site" LD_LIBRARY_PATH="$work/cann" VIRTUAL_ENV= HOME=/nonexistent
if [ -n "${TORCH_CPU_SITE:-}" ]; then
  ln -s "$TORCH_CPU_SITE/torch" "$work/site/torch"
  expect "npu:0    Ascend910B2" PYTHONPATH="$work/site" LD_LIBRARY_PATH="$work/cann"
  expect "the driver finds no device" PYTHONPATH="$work/site" LD_LIBRARY_PATH="$work/cann" CANN_STUB_DEVICES=0
fi
exit $failed
