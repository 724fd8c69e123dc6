"""Trains LoRA as `sdxl train-lora` does, in Python with diffusers and peft, on the random streams of sdxl.

    python tools/reference/lora_training.py

As a script it makes short runs on tests/fixtures/tiny-sdxl and writes what tests compare with:

tests/fixtures/training/lora_runs.json                losses and adapters, step by step
tests/fixtures/training/lora_gradients.safetensors    gradients of every adapter for single batches
tests/fixtures/lora                                   those adapters in files as diffusers writes them
"""
import fnmatch
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.optimization import get_scheduler
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.optimizers import create_loraplus_optimizer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

import streams
import training
from training import TESTS

UNET_TARGETS = ["to_k", "to_q", "to_v", "to_out.0"]
TEXT_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj"]
DROPOUT_INDICES = 1 << 40  # of the weights stream; below are those of new matrices


@dataclass
class Options(training.Options):
    rank: int = 4
    lora_alpha: float | None = None
    lora_dropout: float = 0.0
    lora_target_modules: list[str] = field(default_factory=list)
    use_dora: bool = False
    train_text_encoder: bool = False
    text_encoder_lr: float | None = None
    lora_plus_ratio: float = 1.0


class StreamDropout(torch.nn.Module):
    """Dropout whose mask is a function of seed, draw and layer."""

    def __init__(self, trainer, index):
        super().__init__()
        self.trainer, self.index = [trainer], index

    def forward(self, x):
        trainer = self.trainer[0]
        p = trainer.options.lora_dropout
        places = [DROPOUT_INDICES + draw * len(trainer.adapters) + self.index for draw in trainer.draws]
        mask = torch.stack([torch.rand(x.shape[1:], generator=streams.generator(trainer.options.seed, streams.WEIGHTS, n)) for n in places])
        return x * (mask >= p) / (1 - p)


class Trainer(training.Trainer):
    def __init__(self, options):
        super().__init__(options)
        self.components = {"unet": self.unet}
        if options.train_text_encoder:
            self.components |= {"text_encoder": self.pipeline.text_encoder, "text_encoder_2": self.pipeline.text_encoder_2}
        for part in (self.unet, self.vae, self.pipeline.text_encoder, self.pipeline.text_encoder_2):
            part.requires_grad_(False)
        self.adapters, self.draws = [], []  # of (component, path, module)
        for component, root in self.components.items():
            self.add_adapters(component, root)
        for index, (_, _, module) in enumerate(self.adapters):
            down = module.lora_A["default"].weight
            drawn = torch.randn(down.shape, generator=streams.generator(options.seed, streams.WEIGHTS, index))
            down.data.copy_(drawn / options.rank)
            if options.lora_dropout > 0:
                module.lora_dropout["default"] = StreamDropout(self, index)
        self.optimizer = self.make_optimizer()
        self.schedule = get_scheduler(options.lr_scheduler, self.optimizer, num_warmup_steps=options.lr_warmup_steps, num_training_steps=options.max_train_steps)

    def add_adapters(self, component, root):
        options = self.options
        targets = options.lora_target_modules or (UNET_TARGETS if component == "unet" else TEXT_TARGETS)
        layers = [n for n, m in root.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
        chosen = [n for n in layers if any(fnmatch.fnmatchcase(n, t) if "*" in t else ("." + n).endswith("." + t) for t in targets)]
        if not chosen:
            return
        root.add_adapter(LoraConfig(r=options.rank, lora_alpha=options.lora_alpha or options.rank, init_lora_weights="gaussian",
                                    target_modules=chosen, use_dora=options.use_dora))
        config = root.peft_config["default"]
        if config.base_model_name_or_path:  # where this checkout lies
            config.base_model_name_or_path = component
        found = [(n, m) for n, m in root.named_modules() if "default" in getattr(m, "lora_A", {})]
        for name, module in sorted(found, key=lambda pair: pair[0].encode()):
            # transformers 5 has left out the first encoder's "text_model."; ours keeps the checkpoint's name.
            path = name if component == "unet" or name.startswith("text_model.") else "text_model." + name
            self.adapters.append((component, path, module))

    def named(self):
        """Our name of every trained tensor, and the parameter."""
        result = {}
        for component, path, module in self.adapters:
            result[f"{component}.{path}.down"] = module.lora_A["default"].weight
            result[f"{component}.{path}.up"] = module.lora_B["default"].weight
            if self.options.use_dora:
                result[f"{component}.{path}.magnitude"] = module.lora_magnitude_vector["default"].weight
        return result

    def parameters(self):
        return list(self.named().values())

    def make_optimizer(self):
        options = self.options
        if options.lora_plus_ratio != 1.0:
            return create_loraplus_optimizer(self.unet, torch.optim.AdamW, lr=options.learning_rate, loraplus_lr_ratio=options.lora_plus_ratio,
                                             loraplus_weight_decay=options.adam_weight_decay)
        groups = []
        for prefix, rate in (("unet.", options.learning_rate), ("text_", options.text_encoder_lr or options.learning_rate)):
            values = [p for n, p in self.named().items() if n.startswith(prefix)]
            groups += [{"params": values, "lr": rate}] if values else []
        return torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.adam_weight_decay)

    def conditioning(self, draws):
        captions = [self.data.caption(draw) for draw in draws]
        with torch.set_grad_enabled(self.options.train_text_encoder):
            hidden, _, pooled, _ = self.pipeline.encode_prompt([c or "" for c in captions], do_classifier_free_guidance=False)
        kept = torch.tensor([c is not None for c in captions], dtype=torch.float32)
        return hidden * kept[:, None, None], pooled * kept[:, None]

    def losses(self, draws):
        self.draws = draws
        return super().losses(draws)

    def result(self):
        return {n: p.detach() for n, p in self.named().items()}

    def save(self, directory, weight_name):
        """As diffusers' own training scripts do."""
        layers = {f"{n}_lora_layers": convert_state_dict_to_diffusers(get_peft_model_state_dict(m)) for n, m in self.components.items()}
        StableDiffusionXLPipeline.save_lora_weights(directory, weight_name=weight_name, **layers, **_collate_lora_metadata(self.components))


ALL_KINDS = ["to_q", "ff.net.0.proj", "*resnets.0.conv1", "conv_shortcut", "time_emb_proj", "proj_in", "downsamplers.0.conv", "linear_1"]
COMMON = dict(resolution=32, center_crop=True, train_batch_size=2, gradient_accumulation_steps=2, max_train_steps=6, learning_rate=1e-3, random_flip=True)
RUNS = {
    "attention": dict(seed=42, proportion_empty_prompts=0.3),
    "text_encoders": dict(seed=43, rank=2, lora_alpha=3.0, train_text_encoder=True, text_encoder_lr=3e-4, proportion_empty_prompts=0.3),
    "all_kinds": dict(seed=44, rank=3, lora_alpha=1.5, lora_target_modules=ALL_KINDS, lr_scheduler="cosine", lr_warmup_steps=2),
    "dora": dict(seed=45, rank=2, lora_alpha=4.0, use_dora=True, lora_target_modules=["to_q", "to_out.0", "conv2"]),
    "lora_plus": dict(seed=46, rank=2, lora_plus_ratio=8.0, adam_weight_decay=0.05),
    "dropout": dict(seed=47, lora_dropout=0.25, train_text_encoder=True, rank=2),
    "dora_dropout": dict(seed=48, lora_dropout=0.25, rank=2, use_dora=True, lora_target_modules=["to_v", "conv_shortcut", "linear_2"]),
}
GRADIENTS = ["attention", "text_encoders", "all_kinds", "dora", "dropout", "dora_dropout"]


def options_of(name):
    return Options(pretrained_model_name_or_path=str(TESTS / "tiny-sdxl"), train_data_dir=str(TESTS / "training/pictures"), **COMMON, **RUNS[name])


def make_runs():
    result = {}
    for name in RUNS:
        trainer = Trainer(options_of(name))
        steps = trainer.run()
        flags = [f for f in trainer.options.flags() if "_dir=" not in f and "_path=" not in f]
        weights = {n: [round(t.norm().item(), 6), *(round(v, 7) for v in t.flatten()[:3].tolist())] for n, t in trainer.result().items()}
        result[name] = {"flags": flags, "steps": steps, "weights": weights}
    lines = ",\n".join(json.dumps(name) + ": " + json.dumps(run) for name, run in result.items())
    (TESTS / "training/lora_runs.json").write_text("{\n" + lines + "\n}\n")


def make_gradients():
    """Of one batch, with adapters that are none of them zero."""
    (TESTS / "lora").mkdir(exist_ok=True)
    tensors, described = {}, {}
    for name in GRADIENTS:
        trainer = Trainer(options_of(name))
        generator = torch.Generator().manual_seed(5)
        for parameter in trainer.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        trainer.save(TESTS / "lora", f"{name}.safetensors")
        draws = [3, 8]
        losses = trainer.losses(draws)
        losses.mean().backward()
        hidden, pooled = trainer.conditioning(draws)
        latents, time_ids = trainer.latents(draws)
        tensors |= {f"{name}/latents": latents, f"{name}/time_ids": time_ids, f"{name}/losses": losses.detach(),
                    f"{name}/hidden_states": hidden.detach(), f"{name}/pooled": pooled.detach()}
        tensors |= {f"{name}/gradients/{n}": p.grad for n, p in trainer.named().items()}
        captions = [trainer.data.caption(draw) for draw in draws]
        described[name] = {k: v for k, v in RUNS[name].items() if k in ("seed", "rank", "lora_alpha", "lora_dropout", "use_dora", "lora_target_modules", "train_text_encoder")}
        described[name] |= {"draws": draws, "captions": captions}
    # The layers of the text encoders behind the state that is used have none.
    save_file({n: t.contiguous() for n, t in tensors.items() if t is not None}, TESTS / "training/lora_gradients.safetensors")
    lines = ",\n".join(json.dumps(name) + ": " + json.dumps(case) for name, case in described.items())
    (TESTS / "training/lora_gradients.json").write_text("{\n" + lines + "\n}\n")


def main():
    torch.set_num_threads(1)
    make_runs()
    make_gradients()


if __name__ == "__main__":
    main()
