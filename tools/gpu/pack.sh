#!/usr/bin/env bash
# Packs what a machine with a GPU lacks to run the binary that was built here: the binary and its plugins, stripped, and
# the Debian libraries that they need, in one archive. LibTorch with CUDA comes from that machine's Python (same version).
#   tools/gpu/pack.sh [BUILD] [FOLDER]     from BUILD (default build) into FOLDER (default build-gpu-pack, ignored by git)
# There: tools/gpu/check.sh, with the same checkout and FOLDER.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build}
pack=${2:-build-gpu-pack}
deps=$(sed -n 's/^SDXL_DEPS:[A-Z]*=//p' "$build/CMakeCache.txt")
[ -n "$deps" ] || deps=$(tools/deps/wheels.sh)

out=$pack
pack=$(mktemp -d)
trap 'rm -rf "$pack"' EXIT
mkdir -p "$out" "$pack/bin" "$pack/lib"
for program in sdxl cuda_operators_test cuda_operators_bench; do
  [ ! -x "$build/$program" ] || strip -o "$pack/bin/$program" "$build/$program"
done
for plugin in "$build"/libsdxl_cuda*.so; do
  [ ! -e "$plugin" ] || strip -o "$pack/bin/$(basename "$plugin")" "$plugin"
done

# The libraries that are neither glibc's, GCC's nor LibTorch's. (Parquet's plugin and Arrow stay behind: 60 MB.)
own='^(libc|libm|libdl|librt|libpthread|libresolv|ld-linux-x86-64|libstdc\+\+|libgcc_s|libgomp|libcuda|libcudart|libcupti|libtorch.*|libc10.*)\.so'
for program in "$pack"/bin/*; do
  LD_LIBRARY_PATH="$deps/lib" ldd "$program" 2>/dev/null
done | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | sort -u | while read -r name path; do
  [[ $name =~ $own ]] || { cp -L "$path" "$pack/lib/$name"; strip --strip-unneeded "$pack/lib/$name" 2>/dev/null || true; }
done
# diffusers, which the other machine may lack, from the reference environment of tools/parity/run.sh.
site=$(echo "${XDG_CACHE_HOME:-$HOME/.cache}"/sdxl/reference-*/lib/python3*/site-packages | awk '{print $1}')
mkdir -p "$pack/python"
for package in diffusers importlib_metadata lazy_importer; do
  [ ! -d "$site/$package" ] || (cd "$site" && tar --exclude __pycache__ -cf - "$package" "$package"-*.dist-info) | tar -C "$pack/python" -xf -
done

tar -C "$pack" -cf - bin lib python | xz -T0 -2 >"$out/pack.tar.xz"
ls -l "$out"
