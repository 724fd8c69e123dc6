#!/usr/bin/env bash
# Builds the fuzzers with clang and runs each for some seconds, starting from the test fixtures.
#   tools/fuzz.sh [SECONDS] [NAME ...]        60 seconds and all of them by default
# Keeps findings in build-fuzz/findings and corpora in build-fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(safetensors_header image json sentencepiece)

cmake --preset fuzz > /dev/null
cmake --build build-fuzz --target "${names[@]/#/fuzz_}" >&2
python3 - <<'PY'
import base64, json, pathlib, struct
data, out = pathlib.Path("tests/fixtures"), pathlib.Path("build-fuzz/corpus")
for name in ("safetensors_header", "image", "json", "sentencepiece"):
    (out / name).mkdir(parents=True, exist_ok=True)
for i, case in enumerate(json.load(open(data / "safetensors/cases.json"))["cases"]):
    (out / f"safetensors_header/case{i}").write_bytes(base64.b64decode(case["file"]))
pictures = (data / "images/cases.safetensors").read_bytes()
size = struct.unpack("<Q", pictures[:8])[0]
for i, (name, entry) in enumerate(json.loads(pictures[8:8 + size]).items()):
    if name.endswith("/file"):
        begin, end = entry["data_offsets"]
        (out / f"image/case{i}").write_bytes(pictures[8 + size + begin:8 + size + end])
(out / "sentencepiece/model").write_bytes((data / "tokenizers/t5/spiece.model").read_bytes())
for i, path in enumerate(sorted(data.rglob("*.json"))):
    if path.stat().st_size < 20000:
        (out / f"json/case{i}").write_bytes(path.read_bytes())
PY
mkdir -p build-fuzz/findings
for name in "${names[@]}"; do
  echo "fuzz_$name, $seconds s" >&2
  nice -n 19 build-fuzz/tests/fuzz/fuzz_$name -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
    -max_len=65536 -artifact_prefix=build-fuzz/findings/"$name"- -print_final_stats=1 build-fuzz/corpus/"$name" 2>&1 |
    grep -E "^stat::|ERROR|SUMMARY|runtime error|DEATH|^    #[0-9]+ .*sdxl" || true
  ! compgen -G "build-fuzz/findings/$name-*" || exit 1
done
