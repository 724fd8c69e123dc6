#!/usr/bin/env bash
# Compares the built binary with the Python libraries: runs every tools/parity/*_check.py in a Python environment of
# tools/reference/requirements.txt, which it makes on first use.
#   tools/parity/run.sh [NAME …]     all checks, or those named (infer, tokens, …)
set -euo pipefail
cd "$(dirname "$0")/../.."
requirements=tools/reference/requirements.txt
environment=${SDXL_REFERENCE_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/sdxl/reference-$(sha256sum "$requirements" | cut -c1-12)}
if [ ! -e "$environment/.complete" ]; then
  echo "making the reference environment in $environment …" >&2
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  touch "$environment/.complete"
fi

failed=()
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for check in tools/parity/*_check.py; do names+=("$(basename "$check" _check.py)"); done
fi
for name in "${names[@]}"; do
  echo "== $name"
  "$environment/bin/python" "tools/parity/${name}_check.py" || failed+=("$name")
done
echo "${#names[@]} live checks, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
[ ${#failed[@]} -eq 0 ]
