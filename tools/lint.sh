#!/usr/bin/env bash
# Checks our C++: clang-format on every source, clang-tidy on the .cc files of src/ and tools/ that differ from a base
# revision, or whose headers do. Installs Debian's clang-format and clang-tidy where they are missing.
#   tools/lint.sh [--most N] [BASE]
# BASE is by default where this branch left origin/main, else the commit before HEAD. clang-tidy takes about half a minute
# a file, so that it checks N of them (default 24) and names the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/deps/packages.sh
most=24
if [ "${1:-}" = --most ]; then
  most=$2
  shift 2
fi
install_packages clang-format clang-tidy

echo "clang-format on all sources ..." >&2
git ls-files -- '*.cc' '*.h' '*.c' '*.cu' '*.cuh' | xargs clang-format --dry-run --Werror ||
  { echo "tools/lint.sh: run clang-format -i on the files above" >&2; exit 1; }

base=${1:-$(git merge-base origin/main HEAD 2>/dev/null || true)}
[ -n "${1:-}" ] || [ "$base" != "$(git rev-parse HEAD)" ] || base=
[ -n "$base" ] || base=$(git rev-parse --verify --quiet HEAD~ || true)
if [ -z "$base" ]; then
  echo "tools/lint.sh: no revision to compare with (give BASE): clang-tidy was left out" >&2
  exit 0
fi
git rev-parse --verify --quiet "$base^{commit}" >/dev/null ||
  { echo "tools/lint.sh: $base is not a revision of this repository" >&2; exit 2; }

# A configuration that is never built: one entry for each source, and the header that GCC would precompile is read as
# text, since clang cannot read GCC's precompiled one. clang finds no omp.h, and does not know GCC's warnings.
cmake --preset release -B build-lint -DSDXL_DEPS="$(tools/deps/wheels.sh)" -DCMAKE_UNITY_BUILD=OFF -DSDXL_CUDA=OFF \
  -DSDXL_BUILD_TESTS=OFF >/dev/null
# The changed sources, and those beside changed headers, that this machine can compile.
mapfile -t files < <({ git diff --name-only "$base" && git ls-files --others --exclude-standard; } |
  grep -E '^(src|tools)/.*\.(cc|h)$' | sed 's/\.h$/.cc/' | sort -u | while read -r file; do
    ! grep -qF "\"file\": \"$PWD/$file\"" build-lint/compile_commands.json || echo "$file"
  done)
if [ ${#files[@]} -gt "$most" ]; then
  printf 'tools/lint.sh: not checked, past --most: %s\n' "${files[@]:$most}" >&2
  files=("${files[@]:0:$most}")
fi
echo "clang-tidy on ${#files[@]} files that differ from $(git rev-parse --short "$base") ..." >&2
[ ${#files[@]} -gt 0 ] || exit 0
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" \
  clang-tidy -p build-lint --quiet --extra-arg=-fno-openmp --extra-arg=-Wno-unknown-warning-option 2>/dev/null ||
  { echo "tools/lint.sh: clang-tidy found the errors above" >&2; exit 1; }
