"""A small convolutional network that looks at images, trained with everything else."""

from __future__ import annotations

from itertools import pairwise

from torch import Generator, Tensor, nn

from recsys_cl.ops.fresh import linear

_WIDTHS = (16, 32, 64)


class Pixels(nn.Module):
    """Three convolutions of 3 x 3, each halving the sides, their mean over places, and an affine map.

    Args:
        shape: of an image, (3, H, W).
        dim: length of a vector.
        rng: initialisation.
    """

    def __init__(self, shape: tuple[int, ...], dim: int, rng: Generator) -> None:
        super().__init__()
        self.shape = shape
        widths = (shape[0], *_WIDTHS)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [_convolution(before, after, rng), nn.ReLU()]
        self.look = nn.Sequential(*layers)
        self.map = linear(_WIDTHS[-1], dim, rng)

    def forward(self, values: Tensor) -> Tensor:
        """Images [N, 3 H W], flattened, to vectors [N, dim]."""
        seen: Tensor = self.look(values.view(-1, *self.shape))
        found: Tensor = self.map(seen.mean((-2, -1)))
        return found


def _convolution(before: int, after: int, rng: Generator) -> nn.Conv2d:
    layer = nn.Conv2d(before, after, 3, stride=2, padding=1, device="meta").to_empty(device="cpu")  # no global draw
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=rng)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
