"""Writes tests/fixtures/training/optimizers.safetensors: 50 steps of each optimizer's reference implementation.

    python tools/reference/optimizers.py [NAME ...]

Without names it runs all of them, on the same weights and gradients. A name needs its package: adamw torch, adamw8bit
bitsandbytes 0.50 (its PyTorch functions, which need no GPU), adafactor transformers 5, lion lion-pytorch 0.2, prodigy
prodigyopt 1.1. Entries of other names are kept.
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

OUTPUT = Path(__file__).parents[2] / "tests/fixtures/training/optimizers.safetensors"
# "large" is quantised in blocks of 256, the last of them short; its inputs are not in the file but drawn anew.
STEPS, SHAPES = 50, {"matrix": (7, 5), "vector": (33,), "cube": (4, 3, 5, 2), "large": (40, 120)}
SNAPSHOTS = (1, 10, 50)
EVERY = 16  # of the elements of "large" that are kept


def inputs():
    """Initial weights and gradients [STEPS, ...] whose scale differs by element and by step."""
    tensors = {}
    for number, (name, shape) in enumerate(SHAPES.items()):
        generator = torch.Generator().manual_seed(7 + number)
        tensors[f"initial.{name}"] = torch.randn(shape, generator=generator)
        scale = 10 ** (torch.rand((STEPS, *shape), generator=generator) * 6 - 5)
        tensors[f"gradients.{name}"] = torch.randn((STEPS, *shape), generator=generator) * scale
    return tensors


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)


class AdamW8bit(torch.optim.Optimizer):
    """bitsandbytes' AdamW8bit, whose class wants a GPU, from its functions that do not."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 1e-2})

    def step(self):
        from bitsandbytes.backends.triton.kernels_optim import optimizer_update_8bit_blockwise_pytorch as update
        from bitsandbytes.functional import create_dynamic_map

        self.maps = getattr(self, "maps", None) or (create_dynamic_map(signed=True), create_dynamic_map(signed=False))
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    blocks = (p.numel() + 255) // 256
                    if p.numel() < 4096:  # 32 bits: AdamW in the arithmetic of the same function
                        state["small"] = torch.optim.AdamW([p], lr=group["lr"], weight_decay=1e-2)
                    state["codes"] = [torch.zeros_like(p, dtype=torch.uint8) for _ in range(2)]
                    state["absmax"] = [torch.zeros(blocks) for _ in range(2)]
                    state["step"] = 0
                state["step"] += 1
                if "small" in state:
                    state["small"].param_groups[0]["lr"] = group["lr"]
                    state["small"].step()
                    continue
                (c1, c2), (a1, a2) = state["codes"], state["absmax"]
                update(p, p.grad, c1, c2, 0.9, 0.999, 0.0, 0.0, 1e-8, state["step"], group["lr"], *self.maps, a1, a2,
                       1e-2, 1.0, False, optimizer_name="adam")


def adafactor(parameters):
    from transformers import Adafactor

    return Adafactor(parameters, lr=1e-2, scale_parameter=False, relative_step=False, weight_decay=1e-2)


def adafactor_scaled(parameters):
    from transformers import Adafactor

    return Adafactor(parameters, lr=1e-2, scale_parameter=True, relative_step=False, weight_decay=1e-2, beta1=0.9)


def lion(parameters):
    from lion_pytorch import Lion

    return Lion(parameters, lr=1e-2, weight_decay=1e-2)


def prodigy(parameters):
    from prodigyopt import Prodigy

    return Prodigy(parameters, lr=1.0, weight_decay=1e-2, d0=1e-3)


def prodigy_guarded(parameters):
    from prodigyopt import Prodigy

    return Prodigy(parameters, lr=1.0, weight_decay=1e-2, d0=1e-3, d_coef=0.5, growth_rate=1.5, safeguard_warmup=True, use_bias_correction=True)


MAKERS = {"adamw": adamw, "adamw8bit": AdamW8bit, "adafactor": adafactor, "adafactor_scaled": adafactor_scaled, "lion": lion,
          "prodigy": prodigy, "prodigy_guarded": prodigy_guarded}


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
            for name, p in parameters.items():
                result[f"{step + 1}.{name}"] = p.detach().flatten()[::EVERY].clone() if name == "large" else p.detach().clone()
    return result


def main():
    given = inputs()
    tensors = dict(load_file(OUTPUT)) if OUTPUT.exists() else {}
    tensors.update({name: tensor for name, tensor in given.items() if not name.endswith(".large")})
    for name in sys.argv[1:] or MAKERS:
        tensors.update({f"{name}.{key}": value for key, value in run(MAKERS[name], given).items()})
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, OUTPUT)


if __name__ == "__main__":
    main()
