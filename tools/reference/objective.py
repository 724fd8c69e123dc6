"""Writes tests/fixtures/training/objective.safetensors and schedules.json.

    python tools/reference/objective.py

They hold noise, targets, weights and losses by the formulas of diffusers' SDXL training script on diffusers' schedulers, and
learning-rate schedules.
"""
import json
from pathlib import Path

import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.training_utils import compute_snr
from safetensors.torch import save_file

import streams

OUTPUT = Path(__file__).parents[2] / "tests/fixtures/training"
SEED, DRAWS, SHAPE = 11, [5, 6, 40], (4, 6, 5)
SDXL = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000)


def timestep_weights(strategy, multiplier, begin, end, portion, count=1000):
    weights, share = torch.ones(count), int(portion * count)
    chosen = {"later": slice(count - share, count), "earlier": slice(0, share), "range": slice(begin, end)}[strategy]
    weights[chosen] *= multiplier
    return weights / weights.sum()


def draw_timesteps(weights):
    generators = [streams.generator(SEED, streams.TIMESTEP, d) for d in DRAWS]
    if weights is None:
        return torch.cat([torch.randint(0, 1000, (1,), generator=g) for g in generators])
    return torch.cat([torch.multinomial(weights, 1, replacement=True, generator=g) for g in generators])


def draw_noise(offset, perturbation):
    noise, extra = [], []
    for d in DRAWS:
        g = streams.generator(SEED, streams.NOISE, d)
        noise.append(torch.randn(SHAPE, generator=g))
        extra.append(torch.randn(SHAPE, generator=g))
    noise = torch.stack(noise) + offset * streams.stacked_randn(SEED, streams.OFFSET, DRAWS, (SHAPE[0], 1, 1))
    return noise, noise + perturbation * torch.stack(extra)


def weigh(scheduler, timesteps, gamma, kind):
    snr = compute_snr(scheduler, timesteps)
    weights = torch.minimum(snr, torch.full_like(snr, gamma))
    if kind == "sample":
        return weights
    weights = weights / (snr if kind == "epsilon" else snr + 1)
    return torch.where(snr == 0, torch.ones_like(weights), weights) if kind == "epsilon" else weights


def case(kind="epsilon", gamma=None, offset=0.0, perturbation=0.0, bias=None, huber=None, zero_snr=False):
    g = torch.Generator().manual_seed(3)
    latents, prediction = torch.randn((3, *SHAPE), generator=g), torch.randn((3, *SHAPE), generator=g)
    scheduler = DDPMScheduler(**SDXL, prediction_type=kind, rescale_betas_zero_snr=zero_snr)
    timesteps = draw_timesteps(timestep_weights(*bias) if bias else None)
    noise, noise_in = draw_noise(offset, perturbation)
    target = {"epsilon": noise, "v_prediction": scheduler.get_velocity(latents, noise, timesteps), "sample": latents}[kind]
    difference = (prediction - noise if kind == "sample" else prediction) - target
    elements = difference**2
    if huber:
        elements = 2 * huber * (torch.sqrt(elements + huber**2) - huber)
    losses = elements.mean(dim=(1, 2, 3))
    if gamma:
        losses = losses * weigh(scheduler, timesteps, gamma, kind)
    return {"noisy": scheduler.add_noise(latents, noise_in, timesteps), "timesteps": timesteps, "target": target, "losses": losses}


CASES = {
    "plain": {}, "velocity": {"kind": "v_prediction"}, "sample": {"kind": "sample"},
    "snr": {"gamma": 5.0}, "snr_velocity": {"kind": "v_prediction", "gamma": 5.0}, "snr_sample": {"kind": "sample", "gamma": 5.0},
    "offset": {"offset": 0.1}, "perturbed": {"perturbation": 0.1}, "huber": {"huber": 0.1},
    "later": {"bias": ("later", 4.0, 0, 1000, 0.25)}, "earlier": {"bias": ("earlier", 0.5, 0, 1000, 0.1)},
    "range": {"bias": ("range", 50.0, 300, 320, 0.25)},
    "zero_snr": {"gamma": 5.0, "zero_snr": True}, "zero_snr_velocity": {"kind": "v_prediction", "gamma": 5.0, "zero_snr": True},
}

SCHEDULES = [("constant", 3, 20, 1, 1.0), ("constant_with_warmup", 3, 20, 1, 1.0), ("linear", 3, 20, 1, 1.0), ("cosine", 3, 20, 1, 1.0),
             ("cosine_with_restarts", 3, 20, 3, 1.0), ("polynomial", 3, 20, 1, 1.0), ("polynomial", 0, 20, 1, 2.0), ("cosine", 0, 20, 1, 1.0)]


def schedule(name, warmup, total, cycles, power):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=total, num_cycles=cycles, power=power)
    rates = []
    for _ in range(total + 3):
        rates.append(scheduler.get_last_lr()[0] / 1e-4)
        optimizer.step()
        scheduler.step()
    return {"name": name, "warmup": warmup, "total": total, "cycles": cycles, "power": power, "multipliers": rates}


def main():
    tensors = {f"{name}.{key}": value.contiguous() for name, options in CASES.items() for key, value in case(**options).items()}
    g = torch.Generator().manual_seed(3)
    tensors["latents"], tensors["prediction"] = torch.randn((3, *SHAPE), generator=g), torch.randn((3, *SHAPE), generator=g)
    save_file(tensors, OUTPUT / "objective.safetensors")
    (OUTPUT / "schedules.json").write_text(json.dumps([schedule(*s) for s in SCHEDULES], indent=1) + "\n")


if __name__ == "__main__":
    main()
