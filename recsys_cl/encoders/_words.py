"""A small convolutional network that reads texts, trained with everything else. Kim, 2014, EMNLP, arXiv:1408.5882."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import embedding, relu

from recsys_cl.ops.fresh import linear, normal

_WIDTH = 3  # words that are read together


class Words(nn.Module):
    """A vector a word, a convolution over ``_WIDTH`` neighbours, the strongest answer of each filter, and an affine map.

    Args:
        words: how many numbers stand for words, 0 (no word) included.
        dim: length of a vector.
        rng: initialisation.
    """

    def __init__(self, words: int, dim: int, rng: Generator) -> None:
        super().__init__()
        self.words = normal(words, dim, spread=dim**-0.5, rng=rng)
        self.near = linear(_WIDTH * dim, dim, rng)
        self.map = linear(dim, dim, rng)

    def forward(self, values: Tensor) -> Tensor:
        """Texts [N, L] of numbers, 0 where there is no word, to vectors [N, dim]; what follows the last word has no effect."""
        tokens = values.long()
        there = tokens > 0
        read = embedding(tokens, self.words) * there[..., None]
        around = torch.nn.functional.pad(read, (0, 0, _WIDTH // 2, _WIDTH // 2)).unfold(1, _WIDTH, 1)  # [N, L, dim, width]
        heard = relu(self.near(around.flatten(2))) * there[..., None]
        found: Tensor = self.map(heard.amax(1))
        return found
