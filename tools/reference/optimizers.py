"""Writes tests/data/training/optimizers.safetensors: what each optimizer's reference implementation makes of the same
weights and gradients in 50 steps.

    /path/to/python tools/reference/optimizers.py [NAME ...]

Without names all of them. A name needs its package: adamw torch. Entries of other names are kept as they are.
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

OUTPUT = Path(__file__).parents[2] / "tests/data/training/optimizers.safetensors"
STEPS, SHAPES = 50, {"matrix": (7, 5), "vector": (33,)}
SNAPSHOTS = (1, 10, 50)


def inputs():
    """Initial weights and gradients [STEPS, ...] whose scale differs by element and by step."""
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for name, shape in SHAPES.items():
        tensors[f"initial.{name}"] = torch.randn(shape, generator=generator)
        scale = 10 ** (torch.rand((STEPS, *shape), generator=generator) * 6 - 5)
        tensors[f"gradients.{name}"] = torch.randn((STEPS, *shape), generator=generator) * scale
    return tensors


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)


MAKERS = {"adamw": adamw}


def run(maker, given):
    """The weights after the steps of SNAPSHOTS; the learning rate falls linearly, as a schedule would have it."""
    parameters = {name: torch.nn.Parameter(given[f"initial.{name}"].clone()) for name in SHAPES}
    optimizer = maker(list(parameters.values()))
    base = [group["lr"] for group in optimizer.param_groups]
    result = {}
    for step in range(STEPS):
        for group, rate in zip(optimizer.param_groups, base):
            group["lr"] = rate * (1 - step / STEPS) if rate else rate
        for name, parameter in parameters.items():
            parameter.grad = given[f"gradients.{name}"][step].clone()
        optimizer.step()
        if step + 1 in SNAPSHOTS:
            result.update({f"{step + 1}.{name}": p.detach().clone() for name, p in parameters.items()})
    return result


def main():
    given = inputs()
    tensors = dict(load_file(OUTPUT)) if OUTPUT.exists() else {}
    tensors.update(given)
    for name in sys.argv[1:] or MAKERS:
        tensors.update({f"{name}.{key}": value for key, value in run(MAKERS[name], given).items()})
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, OUTPUT)


if __name__ == "__main__":
    main()
