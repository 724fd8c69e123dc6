"""Calculates the step time of data parallel training on many devices from one device's measured step (docs/scaling.md).

    tools/scaling.py --step 2.0 --parameters 2.567e9 --node 8 --inside 450 --outside 50

Gradients are sent in float32, in buckets, in rings over all devices: each device sends 2 (n - 1) / n times the bytes.
Inside a node links have --inside GB/s a device; between nodes every device has a network card of --outside GB/s. With
ZeRO stage 1 gradients are reduced to their owners, each owner steps its share and sends its weights, which nothing hides.
Every hop of a collective adds --hop seconds: an all-reduce has 2 log2(n) hops (trees), a reduce or a broadcast has n (chain).
"""

import argparse
import math

BUCKET = 25 * 2**20  # bytes, as training/parallel/gradient_exchange.cc
PARCEL = 2**24       # weights, as training/parallel/optimizer_shards.cc


def collective(total, piece, speed, hops, hop):
    """Seconds that `total` bytes take in collectives of `piece` bytes, one after the other."""
    return total / speed + math.ceil(total / piece) * hops * hop


def step_time(devices, arguments, zero):
    """Seconds of a step."""
    if devices == 1:
        return arguments.step
    n, share = arguments.parameters, (devices - 1) / devices
    inside, outside = arguments.inside * 1e9, arguments.outside * 1e9 * arguments.rails
    speed = inside if devices <= arguments.node else min(inside, outside)
    hops = devices if zero else 2 * math.log2(devices)
    passes = (1 if zero else 2) * share           # times that a gradient is sent
    larger = max(1, devices // 64) if zero else 1  # buckets and parcels, so that chains are fewer
    bucket = BUCKET * larger
    sending = collective(4 * n, bucket, speed / passes, hops, arguments.hop)
    # What the backward pass does not hide, and the last bucket, is waited for; then the exchange of losses.
    last = collective(min(bucket, 4 * n), bucket, speed / passes, hops, arguments.hop)
    waited = max(sending - last - arguments.backward * arguments.step, 0) + last + arguments.latency * devices
    saved = 0
    if zero:
        size = arguments.weight_bytes
        waited += collective(size * n, size * PARCEL * larger, speed / share, devices, arguments.hop)
        saved = arguments.optimizer * share
    return arguments.step - saved + waited


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--step", type=float, required=True, help="seconds of a step of one device")
    parser.add_argument("--optimizer", type=float, default=0.0, help="seconds of it that the optimizer takes")
    parser.add_argument("--backward", type=float, default=0.6, help="share of it that is the backward pass")
    parser.add_argument("--parameters", type=float, default=2567463684, help="that are trained")
    parser.add_argument("--weight_bytes", type=float, default=2, help="of a weight that is sent with ZeRO")
    parser.add_argument("--node", type=int, default=8, help="devices of a node")
    parser.add_argument("--inside", type=float, default=450, help="GB/s of a device inside its node")
    parser.add_argument("--outside", type=float, default=50, help="GB/s of a network card")
    parser.add_argument("--rails", type=float, default=8, help="network cards of a node that rings use at once")
    parser.add_argument("--hop", type=float, default=3e-6, help="seconds of a hop of a collective")
    parser.add_argument("--latency", type=float, default=1e-4, help="seconds a rank adds to the exchange of losses after a step")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 8, 64, 1000])
    arguments = parser.parse_args()
    print("| devices | step, s | efficiency | step with ZeRO-1, s | efficiency |\n|---|---|---|---|---|")
    for devices in arguments.devices:
        cells = [str(devices)]
        for zero in (False, True):
            seconds = step_time(devices, arguments, zero)
            cells += [f"{seconds:.3f}", f"{arguments.step / seconds:.1%}"]
        print("| " + " | ".join(cells) + " |")


main()
