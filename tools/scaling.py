"""Reckons the step time of data parallel training on many devices from one device's measured step, for
docs/scaling.md: what is sent, over which links, and how much of that hides behind the backward pass.

    tools/scaling.py --step 2.0 --parameters 2.567e9 --node 8 --inside 450 --outside 50

A gradient is sent in float32. Rings over all devices: each device sends 2 (n - 1) / n times the bytes.
Inside a node they run at --inside GB/s a device; between nodes every device has --outside GB/s (its
own network card). With --zero_stage 1 gradients are reduced to their owners, the optimizer steps its
share, and the weights are sent from their owners, which nothing hides."""

import argparse


def step_time(devices, arguments, zero):
    """Seconds of a step, seconds of it that the links cost."""
    n = arguments.parameters
    wait = arguments.latency * devices  # of the small exchange of losses at the end of a step
    if devices == 1:
        return arguments.step, 0.0
    share = (devices - 1) / devices
    slowest = arguments.inside if devices <= arguments.node else min(arguments.inside, arguments.outside
                                                                     * arguments.rails)
    gradient_bytes = 4 * n * share * (1 if zero else 2)
    sending = gradient_bytes / (slowest * 1e9)
    # The backward pass is two thirds of a step; what it does not hide, and the last bucket, is waited for.
    hidden = min(sending, arguments.backward * arguments.step)
    exposed = sending - hidden + 25 * 2**20 * 2 / (slowest * 1e9) + wait
    optimizer = arguments.optimizer
    if zero:
        exposed += arguments.weight_bytes * n * share / (slowest * 1e9)
        optimizer /= devices
    return arguments.step - arguments.optimizer + optimizer + exposed, exposed


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
    parser.add_argument("--latency", type=float, default=1e-4, help="seconds a rank adds to the exchange of losses at the end of a step")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 8, 64, 1000])
    arguments = parser.parse_args()
    print("| devices | step, s | efficiency | step with ZeRO-1, s | efficiency |\n|---|---|---|---|---|")
    for devices in arguments.devices:
        cells = [str(devices)]
        for zero in (False, True):
            seconds, _ = step_time(devices, arguments, zero)
            cells += [f"{seconds:.3f}", f"{arguments.step / seconds:.1%}"]
        print("| " + " | ".join(cells) + " |")


main()
