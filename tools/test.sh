#!/usr/bin/env bash
# Builds everything and passes the tests; the output ends with ctest's summary.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh --tests
ctest --test-dir build --output-on-failure --no-tests=error -j "$(nproc)" "$@"
