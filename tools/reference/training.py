"""Trains as `sdxl train-full` does, in Python with diffusers and torch.optim, on the random streams of sdxl.

    python tools/reference/training.py

As a script it writes tests/fixtures/training/pictures/ and runs.json: short runs on tests/fixtures/tiny-sdxl, with whose losses
and weights tests/commands/train_full_test.cc compares the binary. tools/parity/training_check.py makes longer ones.
"""
import json
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline
from diffusers.optimization import get_scheduler
from diffusers.training_utils import compute_snr
from PIL import Image, ImageDraw

import streams
from objective import timestep_weights

TESTS = Path(__file__).resolve().parents[2] / "tests/fixtures"


@dataclass
class Options:
    """Those of the command line that this script knows, with the command's defaults."""

    pretrained_model_name_or_path: str = ""
    train_data_dir: str = ""
    resolution: int = 1024
    seed: int = 0
    center_crop: bool = False
    random_flip: bool = False
    max_train_samples: int | None = None
    proportion_empty_prompts: float = 0.0
    train_batch_size: int = 16
    gradient_accumulation_steps: int = 1
    max_train_steps: int = 1
    learning_rate: float = 1e-4
    lr_scheduler: str = "constant"
    lr_warmup_steps: int = 500
    adam_weight_decay: float = 1e-2
    max_grad_norm: float = 1.0
    prediction_type: str | None = None
    snr_gamma: float | None = None
    noise_offset: float = 0.0
    timestep_bias_strategy: str = "none"
    timestep_bias_multiplier: float = 1.0
    timestep_bias_portion: float = 0.25
    use_ema: bool = False
    cache_latents: bool = True
    cache_crops: int = 1

    def flags(self):
        """As the command line has them, without those that are the defaults."""
        result = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value == field.default or value == []:
                continue
            if isinstance(value, list):
                result += [f"--{field.name}={item}" for item in value]
                continue
            result.append(f"--{field.name}={value}" if not isinstance(value, bool) else f"--{'' if value else 'no_'}{field.name}")
        return result


class Data:
    """The draws of a run: pictures and captions of a folder with metadata.jsonl."""

    def __init__(self, options):
        self.options, self.folder = options, Path(options.train_data_dir)
        self.rows = [json.loads(line) for line in (self.folder / "metadata.jsonl").read_text().splitlines()]
        if options.max_train_samples is not None:
            order = torch.randperm(len(self.rows), generator=streams.generator(options.seed, streams.SHUFFLE, 2**32 - 1))
            self.rows = [self.rows[i] for i in order[: options.max_train_samples]]
        self.order = {}

    def index(self, draw):
        epoch, place = divmod(draw, len(self.rows))
        if epoch not in self.order:
            generator = streams.generator(self.options.seed, streams.SHUFFLE, epoch)
            self.order[epoch] = torch.randperm(len(self.rows), generator=generator)
        return self.order[epoch][place].item()

    def row(self, draw):
        return self.rows[self.index(draw)]

    def generators(self, draw):
        """Of the flip and of the crop, which from a cache is one of those that it holds."""
        own = streams.generator(self.options.seed, streams.IMAGE, draw)
        if not self.options.cache_latents:
            return own, own
        rows, crop = len(self.rows), draw // len(self.rows) % self.options.cache_crops
        cached = streams.generator(self.options.seed, streams.IMAGE, crop * rows + self.index(draw))
        if self.options.random_flip:
            torch.rand(1, generator=cached)
        return own, cached

    def picture(self, draw):
        """Pixels [3, H, W] in [-1, 1] and the six time ids."""
        options, side = self.options, self.options.resolution
        image = Image.open(self.folder / self.row(draw)["file_name"]).convert("RGB")
        width, height = image.size
        if height <= width:
            resized = (int(side * width / height), side)
        else:
            resized = (side, int(side * height / width))
        if (width, height) != resized:
            image = image.resize(resized, Image.Resampling.LANCZOS)
        generator, crops = self.generators(draw)
        if options.random_flip and torch.rand(1, generator=generator) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        spare = resized[1] - side, resized[0] - side
        if options.center_crop:
            top, left = round(spare[0] / 2), round(spare[1] / 2)
        else:
            top, left = (torch.randint(0, s + 1, (1,), generator=crops).item() for s in spare)
        image = image.crop((left, top, left + side, top + side))
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(side, side, 3).permute(2, 0, 1)
        return (pixels / 255.0 - 0.5) / 0.5, torch.tensor([height, width, top, left, side, side], dtype=torch.float32)

    def caption(self, draw):
        """None for a dropped one."""
        generator = streams.generator(self.options.seed, streams.CAPTION, draw)
        if torch.rand(1, generator=generator) < self.options.proportion_empty_prompts:
            return None
        text = self.row(draw)["text"]
        return text[torch.randint(0, len(text), (1,), generator=generator)] if isinstance(text, list) else text


class Trainer:
    def __init__(self, options):
        self.options, self.data = options, Data(options)
        pipeline = StableDiffusionXLPipeline.from_pretrained(options.pretrained_model_name_or_path, torch_dtype=torch.float32)
        self.pipeline, self.unet, self.vae = pipeline, pipeline.unet.train(), pipeline.vae
        config = dict(pipeline.scheduler.config)
        if options.prediction_type:
            config["prediction_type"] = options.prediction_type
        self.noise_scheduler = DDPMScheduler.from_config(config)
        self.bias = None
        if options.timestep_bias_strategy != "none":
            self.bias = timestep_weights(options.timestep_bias_strategy, options.timestep_bias_multiplier, 0, 1000, options.timestep_bias_portion)
        self.optimizer = torch.optim.AdamW(self.unet.parameters(), lr=options.learning_rate, weight_decay=options.adam_weight_decay)
        self.schedule = get_scheduler(options.lr_scheduler, self.optimizer, num_warmup_steps=options.lr_warmup_steps, num_training_steps=options.max_train_steps)
        self.ema = [p.detach().clone() for p in self.unet.parameters()] if options.use_ema else None

    def parameters(self):
        return list(self.unet.parameters())

    @torch.no_grad()
    def conditioning(self, draws):
        hidden, pooled = [], []
        for draw in draws:
            caption = self.data.caption(draw)
            embeds, _, pooled_embeds, _ = self.pipeline.encode_prompt(caption or "", do_classifier_free_guidance=False)
            scale = 0.0 if caption is None else 1.0
            hidden.append(embeds[0] * scale)
            pooled.append(pooled_embeds[0] * scale)
        return torch.stack(hidden), torch.stack(pooled)

    @torch.no_grad()
    def latents(self, draws):
        pictures = [self.data.picture(draw) for draw in draws]
        moments = self.vae.encode(torch.stack([p for p, _ in pictures])).latent_dist
        noise = streams.stacked_randn(self.options.seed, streams.POSTERIOR, draws, moments.mean.shape[1:])
        return (moments.mean + moments.std * noise) * self.vae.config.scaling_factor, torch.stack([ids for _, ids in pictures])

    def losses(self, draws):
        """[B], weighted."""
        options, scheduler = self.options, self.noise_scheduler
        latents, time_ids = self.latents(draws)
        hidden, pooled = self.conditioning(draws)
        noise = streams.stacked_randn(options.seed, streams.NOISE, draws, latents.shape[1:])
        noise = noise + options.noise_offset * streams.stacked_randn(options.seed, streams.OFFSET, draws, (latents.shape[1], 1, 1))
        timesteps = torch.cat([self.timestep(draw) for draw in draws])
        noisy = scheduler.add_noise(latents, noise, timesteps)
        added = {"text_embeds": pooled, "time_ids": time_ids}
        prediction = self.unet(noisy, timesteps, hidden, added_cond_kwargs=added).sample
        kind = scheduler.config.prediction_type
        target = noise if kind == "epsilon" else scheduler.get_velocity(latents, noise, timesteps)
        losses = ((prediction - target) ** 2).mean(dim=(1, 2, 3))
        if options.snr_gamma is not None:
            snr = compute_snr(scheduler, timesteps)
            losses = losses * snr.clamp(max=options.snr_gamma) / (snr if kind == "epsilon" else snr + 1)
        return losses

    def timestep(self, draw):
        generator = streams.generator(self.options.seed, streams.TIMESTEP, draw)
        if self.bias is None:
            return torch.randint(0, 1000, (1,), generator=generator)
        return torch.multinomial(self.bias, 1, replacement=True, generator=generator)

    def step(self, number):
        """One optimizer step, from 0; what metrics.jsonl says of it."""
        options, batch = self.options, self.options.train_batch_size
        total, rate = 0.0, self.schedule.get_last_lr()[0]
        for micro in range(options.gradient_accumulation_steps):
            first = (number * options.gradient_accumulation_steps + micro) * batch
            loss = self.losses(list(range(first, first + batch))).mean()
            (loss / options.gradient_accumulation_steps).backward()
            total += loss.item() / options.gradient_accumulation_steps
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), options.max_grad_norm).item()
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        if self.ema is not None:
            decay = min(0.9999, (1 + number) / (10 + number)) if number else 0.0
            for average, parameter in zip(self.ema, self.unet.parameters()):
                average.sub_((1 - decay) * (average - parameter.detach()))
        return {"step": number + 1, "loss": total, "lr": rate, "grad_norm": norm}

    def result(self):
        """Names and tensors of the weights that the run's pipeline has."""
        names = [name for name, _ in self.unet.named_parameters()]
        return dict(zip(names, self.ema or [p.detach() for p in self.unet.parameters()]))

    def run(self):
        return [self.step(number) for number in range(self.options.max_train_steps)]


def draw_pictures(folder):
    """Seven small pictures of several shapes; one has two captions."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i, (width, height) in enumerate([(48, 40), (40, 64), (64, 64), (80, 33), (50, 50), (32, 47), (61, 39)]):
        image = Image.new("RGB", (width, height), (37 * i % 256, 91 * i % 256, 255 - 33 * i))
        ImageDraw.Draw(image).ellipse((width // 4, height // 5, width // 2, height // 2), fill=(255 - 30 * i, 200, 35 * i))
        ImageDraw.Draw(image).line((0, height, width, 0), fill=(10 * i, 0, 120), width=2)
        image.save(folder / f"{i}.png")
        text = f"a small circle number {i}" if i != 3 else ["a red chair", "the quick brown fox"]
        lines.append(json.dumps({"file_name": f"{i}.png", "text": text}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")


COMMON = dict(resolution=32, train_batch_size=2, gradient_accumulation_steps=2, max_train_steps=8, learning_rate=1e-3, random_flip=True)
RUNS = {
    "plain": dict(**COMMON, seed=42, center_crop=True, proportion_empty_prompts=0.3),
    "weighted": dict(**COMMON, seed=7, cache_latents=False, max_train_samples=5, prediction_type="v_prediction", snr_gamma=5.0,
                     noise_offset=0.05, lr_scheduler="cosine", lr_warmup_steps=2, timestep_bias_strategy="later",
                     timestep_bias_multiplier=2.0),
    "crops": dict(**COMMON, seed=11, cache_crops=2, proportion_empty_prompts=0.2),
    "averaged": dict(**COMMON, seed=2**63 + 5, center_crop=True, use_ema=True, lr_scheduler="linear", lr_warmup_steps=1,
                     adam_weight_decay=0.1, max_grad_norm=0.5),
}


def main():
    torch.set_num_threads(1)
    draw_pictures(TESTS / "training/pictures")
    result = {}
    for name, values in RUNS.items():
        options = Options(pretrained_model_name_or_path=str(TESTS / "tiny-sdxl"), train_data_dir=str(TESTS / "training/pictures"), **values)
        trainer = Trainer(options)
        steps = trainer.run()
        flags = [f for f in options.flags() if "_dir=" not in f and "_path=" not in f]
        weights = {n: [round(v, 7) for v in t.flatten()[:3].tolist()] + [round(t.norm().item(), 6)] for n, t in trainer.result().items()}
        result[name] = {"flags": flags, "steps": steps, "weights": weights}
    lines = ",\n".join(json.dumps(name) + ": " + json.dumps(run) for name, run in result.items())
    (TESTS / "training/runs.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
