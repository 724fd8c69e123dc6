# Sourced by the scripts that run on a machine with a GPU: finds the packed binary and that machine's LibTorch.
#   SDXL_PACK (default build-gpu-pack)     what tools/gpu/pack.sh made
pack=/tmp/sdxl-pack.$UID
mkdir -p "$pack"
tar -C "$pack" -xJf "${SDXL_PACK:-build-gpu-pack}/pack.tar.xz" || exit 1
torch_lib=$(python3 -c 'import importlib.util, os; print(os.path.join(os.path.dirname(importlib.util.find_spec("torch").origin), "lib"))' 2>/dev/null) ||
  { echo "$0: python3 has no torch: put a Python with PyTorch 2.11 for CUDA first in PATH" >&2; exit 1; }
sdxl=$pack/bin/sdxl
# LibTorch's folder first: libtorch_cpu.so finds libcudart and libcupti from there by its own rpath.
sdxl_libraries=$torch_lib:$pack/lib
# ours COMMAND …: with these libraries, which python3 must not see.
ours() { LD_LIBRARY_PATH=$sdxl_libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$@"; }
