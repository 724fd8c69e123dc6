"""Compares every sampler with the installed diffusers over a large grid of configurations.

    ninja -C build parity_schedulers && python tools/parity/schedulers_check.py build/tests/parity_schedulers
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reference"))
import schedulers as reference  # noqa: E402

SHAPE = [2, 4, 3, 3]
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
SIGMA_BASED = ["euler", "lms", "heun", "dpm2", "dpm2_a"]
SOLVERS = ["dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "unipc", "deis"]


def variations():
    """For each name: overrides of the SDXL config that are worth crossing with the number of steps."""
    table = collections.defaultdict(list)
    every = list(reference.CLASSES)
    for name in every:
        for prediction in PREDICTIONS + ["flow_prediction"]:
            for spacing in ["leading", "trailing", "linspace"]:
                table[name].append({"prediction_type": prediction, "timestep_spacing": spacing})
        for schedule in ["linear", "squaredcos_cap_v2", "laplace", "sigmoid", "exp"]:
            table[name].append({"beta_schedule": schedule})
        for offset in [0, 3]:
            table[name].append({"steps_offset": offset})
        for spacing in ["leading", "trailing"]:
            table[name].append({"rescale_betas_zero_snr": True, "timestep_spacing": spacing,
                                "prediction_type": "v_prediction"})
        table[name].append({"num_train_timesteps": 200})
        table[name].append({"trained_betas": [0.0001 + 0.00002 * i for i in range(1000)]})
        if name in ["ddim", "ddpm", "lcm", "tcd", "heun"] + SOLVERS:
            table[name].append({"clip_sample": True})
            table[name].append({"clip_sample": True, "clip_sample_range": 0.5})
            table[name].append({"thresholding": True, "dynamic_thresholding_ratio": 0.9,
                                "sample_max_value": 1.7})
        if name in ["ddim", "pndm", "lcm", "tcd"]:
            table[name].append({"set_alpha_to_one": True})
        if name in ["ddim", "tcd"]:
            for eta in [0.3, 0.5, 1.0]:
                table[name].append({"eta": eta})
                table[name].append({"eta": eta, "prediction_type": "v_prediction"})
        if name in ["euler"] + SOLVERS:
            for kind in ["zero", "sigma_min"]:
                table[name].append({"final_sigmas_type": kind})
        if name in reference.SPACED:
            table[name].append({"sigma_min": 0.05, "sigma_max": 10.0})
    for spacing in ["leading", "linspace"]:
        table["euler"].append({"interpolation_type": "log_linear", "timestep_spacing": spacing})
    table["euler"].append({"timestep_type": "continuous", "prediction_type": "v_prediction"})
    table["euler"].append({"prediction_type": "original_sample"})
    for variance in ["fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"]:
        table["ddpm"].append({"variance_type": variance})
    table["pndm"].append({"skip_prk_steps": False})
    table["pndm"].append({"skip_prk_steps": False, "prediction_type": "v_prediction"})
    for original in [25, 100]:
        table["lcm"].append({"original_inference_steps": original})
        table["tcd"].append({"original_inference_steps": original})
    table["lcm"].append({"timestep_scaling": 3.0})
    for name in SOLVERS:
        for order in [1, 2, 3]:
            for final in [True, False]:
                for last in ["zero", "sigma_min"]:
                    for prediction in PREDICTIONS:
                        table[name].append({"solver_order": order, "lower_order_final": final,
                                            "final_sigmas_type": last,
                                            "prediction_type": prediction})
        for solver in ["midpoint", "heun", "logrho", "bh1", "bh2"]:
            for order in [2, 3]:
                for prediction in ["epsilon", "v_prediction"]:
                    for last in ["zero", "sigma_min"]:
                        table[name].append({"solver_type": solver, "solver_order": order,
                                            "final_sigmas_type": last,
                                            "prediction_type": prediction})
        for prediction in PREDICTIONS + ["flow_prediction"]:
            for shift in [1.0, 3.0]:
                table[name].append({"use_flow_sigmas": True, "flow_shift": shift,
                                    "prediction_type": prediction})
    for name in ["dpmpp_2m", "dpmpp_sde"]:
        for algorithm in ["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"]:
            for order in [1, 2, 3]:
                for solver in ["midpoint", "heun"]:
                    for prediction in PREDICTIONS:
                        table[name].append({"algorithm_type": algorithm, "solver_order": order,
                                            "solver_type": solver, "prediction_type": prediction,
                                            "final_sigmas_type": "sigma_min"})
            table[name].append({"algorithm_type": algorithm, "thresholding": True,
                                "final_sigmas_type": "sigma_min"})
        for clipped in [-5.1, -3.0, -1.0]:
            table[name].append({"lambda_min_clipped": clipped})
            table[name].append({"lambda_min_clipped": clipped, "timestep_spacing": "trailing"})
    table["dpmpp_2m"].append({"euler_at_final": True, "final_sigmas_type": "sigma_min"})
    table["dpmpp_2m"].append({"euler_at_final": True, "final_sigmas_type": "sigma_min",
                              "solver_order": 3})
    table["dpmpp_2m"].append({"use_lu_lambdas": True})
    table["dpmpp_2m"].append({"use_lu_lambdas": True, "beta_schedule": "squaredcos_cap_v2"})
    for order in [1, 2, 3]:
        for prediction in PREDICTIONS:
            table["unipc"].append({"predict_x0": False, "solver_order": order,
                                   "prediction_type": prediction,
                                   "final_sigmas_type": "sigma_min"})
    table["unipc"].append({"disable_corrector": [0, 1, 4]})
    table["unipc"].append({"use_flow_sigmas": True, "prediction_type": "flow_prediction",
                           "shift_terminal": 0.1})
    return table


def cases():
    for name, overrides in variations().items():
        for changed in overrides:
            names = [name]
            if name in reference.SPACED:
                names += [f"{name}_{spacing}" for spacing in reference.SPACINGS]
            for full_name in names:
                for steps in reference.STEPS:
                    eta = {"eta": changed["eta"]} if "eta" in changed else {}
                    config = {**reference.SDXL, **changed}
                    config.pop("eta", None)
                    case = {"name": full_name, "config": config, "overrides": eta, "steps": steps,
                            "seed": 7, "shape": SHAPE}
                    if str(changed.get("variance_type", "")).startswith("learned"):
                        case["learned"] = True
                    yield case
    for name in reference.CLASSES:
        plain = {"name": name, "config": reference.SDXL, "seed": 3, "shape": SHAPE}
        for dtype in ["float16", "bfloat16"]:
            for prediction in PREDICTIONS:
                yield {**plain, "config": {**reference.SDXL, "prediction_type": prediction},
                       "dtype": dtype, "steps": 7}
        for timesteps in [[999, 749, 499, 249, 19], [701], [900, 300], [999, 500, 500, 20]]:
            yield {**plain, "timesteps": timesteps}
        yield {**plain, "timesteps": [999.0, 500.5, 20.25]}
        for sigmas in [[14.6, 6.3, 1.2, 0.4, 0.1, 0.0], [10.0, 0.5], [5.0, 3.0, 1.0]]:
            yield {**plain, "sigmas": sigmas}
        for steps in [3, 4, 5, 6, 14, 15, 16, 61, 100, 333, 1000]:
            for spacing in ["leading", "trailing", "linspace"]:
                yield {**plain, "config": {**reference.SDXL, "timestep_spacing": spacing},
                       "steps": steps}
        yield {**plain, "steps": 7, "config": {"_class_name": reference.CLASSES[name][0]}}
        yield {**plain, "name": "", "steps": 7,
               "config": {"_class_name": reference.CLASSES[name][0],
                          "_use_default_values": ["beta_end"], "beta_end": 0.03}}


def difference(ours, theirs):
    """Largest difference over all calls, relative to the latents' size."""
    if np.isnan(ours).any() or np.isnan(theirs).any() or np.isinf(theirs).any():
        return 0.0 if np.array_equal(ours, theirs, equal_nan=True) else float("inf")
    return float(np.max(np.abs(ours - theirs)) / max(1.0, np.abs(theirs).max()))


def describe(case):
    changed = {k: v for k, v in case["config"].items() if reference.SDXL.get(k) != v}
    if "trained_betas" in changed and changed["trained_betas"]:
        changed["trained_betas"] = "…"
    keys = ["name", "steps", "timesteps", "sigmas", "overrides", "dtype"]
    return " ".join(f"{k}={case[k]}" for k in keys if case.get(k)) + f" {changed}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?", default="build/tests/parity_schedulers")
    parser.add_argument("--only", default="", help="names that begin with this")
    parser.add_argument("--tolerance", type=float, default=2e-6)
    parser.add_argument("--nan", action="store_true", help="list the runs that end in NaN")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    reference.diffusers.logging.set_verbosity(50)

    todo = [case for case in cases() if case["name"].startswith(options.only)]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "samples.bin"
        answers = subprocess.run([options.program, path], check=True, capture_output=True, text=True,
                                 input="".join(json.dumps(case) + "\n" for case in todo))
        lines = [json.loads(line) for line in answers.stdout.splitlines()]
        samples = np.fromfile(path, dtype=np.float32)
    assert len(lines) == len(todo), answers.stderr

    at, bad, table = 0, [], collections.defaultdict(list)
    for case, line in zip(todo, lines):
        count = len(line.get("timesteps", [])) * int(np.prod(SHAPE))
        ours, at = samples[at:at + count], at + count
        try:
            timesteps, init, theirs = reference.run(case)
            problem = ""
        except Exception as error:  # whatever diffusers raises for a combination that can't be
            problem = f"{type(error).__name__}: {error}"
        if not problem and "timesteps" in line and len(timesteps) == len(line["timesteps"]) + 1 \
                and timesteps[-1] == -1:
            # Rounding gives diffusers one step more, at timestep -1, that is the noisiest of the
            # table: ours leaves it out (see schedulers/sigma_schedule.cc).
            timesteps, theirs = timesteps[:-1], theirs[:-1]
        if "crash" in line:
            bad.append(f"CRASH {line['crash'][:90]!r} | {describe(case)}")
        elif problem or "error" in line:
            table[case["name"].split("_karras")[0]].append((0.0, case, None))
            if not (problem and "error" in line):
                bad.append(f"ERRORS DIFFER ours={line.get('error')} theirs={problem[:120]} | "
                           f"{describe(case)}")
        elif len(timesteps) != len(line["timesteps"]):
            bad.append(f"CALLS {len(line['timesteps'])} theirs {len(timesteps)} | {describe(case)}")
        else:
            theirs = torch.cat([x.float().flatten() for x in theirs]).numpy()
            apart = difference(ours, theirs)
            visited = np.array(line["timesteps"], dtype=np.float64)  # null is NaN
            step = float(np.nan_to_num(np.abs(visited - timesteps.numpy()), nan=0.0).max())
            sigma = abs(line["init_noise_sigma"] - init) / init
            nan = bool(np.isnan(theirs).any())
            table[case["name"]].append((apart, case, nan))
            limit = options.tolerance if "dtype" not in case else 0.0
            if case["name"].startswith("lms") or "LMS" in str(case["config"].get("_class_name")):
                limit = max(limit, 1e-5)  # diffusers integrates the coefficients to 1e-4
            if apart > limit or step > 1.5e-4 or sigma > 1e-6:
                bad.append(f"apart {apart:.2e} timesteps {step:.1e} init {sigma:.1e} nan {nan} | "
                           f"{describe(case)}")
    for name, rows in table.items():
        numbers = [row[0] for row in rows if row[2] is not None]
        print(f"{name:24} {len(rows):5} runs, {sum(row[2] is None for row in rows):4} refused, "
              f"{sum(bool(row[2]) for row in rows):4} NaN, worst {max(numbers, default=0):.1e}")
    print(f"{len(todo)} runs, {len(bad)} differ")
    for line in bad:
        print(line)
    if options.nan:
        for rows in table.values():
            for row in rows:
                if row[2]:
                    print("NaN |", describe(row[1]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
