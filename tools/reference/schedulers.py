"""Runs diffusers' samplers with a function in place of the model, and writes tests/fixtures/schedulers.json.

    python tools/reference/schedulers.py

The file has a run of each sampler: timesteps, initial noise and the last latents. tools/parity/schedulers_check.py imports
run() for a far larger grid. Beta spacings need scipy.
"""
import inspect
import json
from pathlib import Path

import diffusers
import torch

SDXL = {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0",
        "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
        "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000,
        "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False,
        "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading",
        "trained_betas": None, "use_karras_sigmas": False}

SDE = {"algorithm_type": "sde-dpmsolver++"}
CLASSES = {
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", SDE),
    "dpmpp_sde": ("DPMSolverSinglestepScheduler", SDE),
    "unipc": ("UniPCMultistepScheduler", {}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "dpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
}
SPACED = ["euler", "lms", "heun", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "unipc", "dpm2",
          "dpm2_a", "deis"]
SPACINGS = ["karras", "exponential", "beta"]
STEPS = [1, 2, 7, 25, 50]


def make(case):
    """from_config of the class that `name` stands for, or of the config's own."""
    name, overrides = case.get("name", ""), dict(case.get("overrides", {}))
    overrides.pop("eta", None)
    class_name, settings = case["config"].get("_class_name"), {}
    if name:
        base, _, spacing = name.rpartition("_")
        if spacing in SPACINGS:
            settings = {f"use_{other}_sigmas": other == spacing for other in SPACINGS}
            name = base
        class_name, more = CLASSES[name]
        settings = {**settings, **more}
    return getattr(diffusers, class_name).from_config(case["config"], **{**settings, **overrides})


def stand_in(x, t, learned):
    x32 = x.float()
    out = (1.3 * x32 + 0.002 * t).sin() * 0.7 + (2.1 * x32).cos() * 0.2
    if learned:
        out = torch.cat([out, (0.5 * x32).sin()], dim=1)
    return out.to(x.dtype)


def run(case):
    """As StableDiffusionXLPipeline does it: timesteps, init_noise_sigma, latents after each call."""
    scheduler = make(case)
    plan = {key: case[key] for key in ("timesteps", "sigmas") if key in case}
    if plan:
        (key, values), = plan.items()
        if key not in inspect.signature(scheduler.set_timesteps).parameters:
            raise ValueError("no custom " + key)
        scheduler.set_timesteps(**plan)
    else:
        scheduler.set_timesteps(case["steps"])
    generator = torch.Generator().manual_seed(case["seed"])
    dtype = getattr(torch, case.get("dtype", "float32"))
    latents = torch.randn(case["shape"], generator=generator, dtype=dtype)
    latents = latents * scheduler.init_noise_sigma
    parameters = inspect.signature(scheduler.step).parameters
    extra = {"eta": case.get("overrides", {}).get("eta", 0.0), "generator": generator}
    extra = {key: value for key, value in extra.items() if key in parameters}
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    samples = []
    for t in scheduler.timesteps:
        output = stand_in(scheduler.scale_model_input(latents, t), t.float(),
                          case.get("learned", False))
        latents = scheduler.step(output, t, latents, **extra, return_dict=False)[0]
        samples.append(latents)
    return scheduler.timesteps.float(), float(scheduler.init_noise_sigma), samples


def names():
    return [name + suffix for name in CLASSES for suffix in ["", *(f"_{s}" for s in SPACINGS if name in SPACED)]]


def main():
    plan = {"config": SDXL, "steps": 7, "seed": 5, "shape": [1, 4, 2, 2]}
    lines = []
    for name in names():
        timesteps, init_noise_sigma, samples = run(plan | {"name": name})
        result = {"timesteps": timesteps.tolist(), "init_noise_sigma": init_noise_sigma,
                  "latents": samples[-1].flatten().tolist()}
        lines.append(f"  {json.dumps(name)}: {json.dumps(result)}")
    path = Path(__file__).resolve().parents[2] / "tests/fixtures/schedulers.json"
    path.write_text('{"plan": ' + json.dumps(plan) + ',\n "runs": {\n' + ",\n".join(lines) + "}}\n")


if __name__ == "__main__":
    main()
