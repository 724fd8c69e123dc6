#!/usr/bin/env bash
# Runs tools/gpu/bench.py on a machine with a GPU: with the packed binary, that machine's PyTorch and the packed diffusers.
#   tools/gpu/bench.sh [--seconds N] [SECTION …]      see tools/gpu/bench.py --help
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/gpu/environment.sh
export SDXL=$sdxl SDXL_LIBRARIES=$sdxl_libraries SDXL_PYTHON=$pack/python
exec python3 -u tools/gpu/bench.py "$@"
