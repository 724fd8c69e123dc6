# Sourced by wheels.sh and torch_npu.sh, each of which unpacks the wheels of one list in third_party/.
machine=$(uname -m)
third_party=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../third_party" && pwd)

# The folder for what a list of wheels unpacks to: cache_folder LIST KIND
cache_folder() {
  local key
  key=$(sha256sum "$third_party/$1" | cut -c1-12)
  echo "${XDG_CACHE_HOME:-$HOME/.cache}/sdxl/$2/$key-$machine"
}

# Makes $work, an empty folder beside FOLDER that goes when the script ends: make_work_folder FOLDER
make_work_folder() {
  mkdir -p "$(dirname "$1")"
  work=$(mktemp -d "$1.XXXXXX")
  trap 'rm -rf "$work"' EXIT
}

# Fetches a list's wheels into $work/wheels; pip checks their hashes: download LIST PYTHON_VERSION
download() {
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --implementation cp --python-version "$2" --dest "$work/wheels" \
    --platform "manylinux_2_28_$machine" --platform "manylinux_2_25_$machine" \
    --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" -r "$third_party/$1" >&2
}
