"""The random streams of a training run for the reference scripts (docs/randomness.md)."""
import torch

MASK = (1 << 64) - 1
SHUFFLE, IMAGE, CAPTION, POSTERIOR, NOISE, OFFSET, TIMESTEP, WEIGHTS = range(8)


def seed(run, stream, index):
    x = (run + (index * 8 + stream + 1) * 0x9E3779B97F4A7C15) & MASK
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def generator(run, stream, index):
    return torch.Generator().manual_seed(seed(run, stream, index))


def stacked_randn(run, stream, draws, shape):
    return torch.stack([torch.randn(shape, generator=generator(run, stream, d)) for d in draws])


assert seed(0, SHUFFLE, 0) == 16294208416658607535 and seed(42, TIMESTEP, 123456789) == 12964146863383894812
