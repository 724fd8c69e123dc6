#!/usr/bin/env bash
# Trains a few steps with two ranks in two network namespaces, as on two machines with a cable between them. Trains once
# undisturbed, once with the link cut while training, once with it cut while waiting for a third rank. A cut must end both
# ranks within --ddp_timeout. Needs unshare and ip; exits with 77 if namespaces are not allowed.
#   tools/ranks_in_namespaces.sh [path of sdxl]
set -euo pipefail
cd "$(dirname "$0")/.."
sdxl=$(realpath "${1:-build/sdxl}")
if [ -z "${SDXL_IN_NAMESPACE:-}" ]; then
  unshare -rnm sh -c 'mount -t tmpfs none /run && ip netns add probe' >/dev/null 2>&1 ||
    { echo "network namespaces are not allowed here"; exit 77; }
  exec env SDXL_IN_NAMESPACE=1 unshare -rnm "$0" "$sdxl"
fi

mount -t tmpfs none /run
for rank in 0 1; do ip netns add "rank$rank"; done
ip link add cable0 netns rank0 type veth peer name cable1 netns rank1
for rank in 0 1; do
  ip -n "rank$rank" address add "10.77.0.$((rank + 1))/24" dev "cable$rank"
  ip -n "rank$rank" link set "cable$rank" up
  ip -n "rank$rank" link set lo up
done

work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
start() {  # start NAME STEPS [WORLD_SIZE]: both ranks in the background
  pids=()
  for rank in 0 1; do
    RANK=$rank WORLD_SIZE="${3:-2}" MASTER_ADDR=10.77.0.1 MASTER_PORT=29500 \
      ip netns exec "rank$rank" "$sdxl" train-full \
      --pretrained_model_name_or_path=tests/fixtures/tiny-sdxl \
      --train_data_dir=tests/fixtures/training/pictures --embedding_cache_dir="$work/cache" \
      --resolution=32 --num_threads=1 --seed=3 --train_batch_size=1 --max_train_steps="$2" \
      --checkpointing_steps=2 --checkpoints_total_limit=2 --ddp_timeout=5 --report_to=none \
      --output_dir="$work/$1" 2>"$work/$1.$rank" &
    pids+=($!)
  done
}

start whole 3
for pid in "${pids[@]}"; do wait "$pid"; done
echo "two namespaces: 3 steps, $(grep -c '"loss"' "$work/whole/metrics.jsonl") lines"

cut_cable() {  # cut_cable NAME: ends both ranks
  local begin=$SECONDS rank status
  ip -n rank1 link set cable1 down
  for rank in 0 1; do
    status=0
    wait "${pids[$rank]}" || status=$?
    echo "cable cut, $1: rank $rank ended with $status after $((SECONDS - begin)) s: $(tail -1 "$work/$1.$rank")"
    if [ "$status" != 69 ] || [ $((SECONDS - begin)) -ge 30 ]; then exit 1; fi
  done
  ip -n rank1 link set cable1 up
}

start training 1000000
for _ in $(seq 600); do
  grep -qs '"step":5' "$work/training/metrics.jsonl" && break
  sleep 0.1
done
cut_cable training

start waiting 1 3
sleep 3
cut_cable waiting
