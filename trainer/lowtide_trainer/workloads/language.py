"""Small transformer that guesses the next token, for comparisons per token."""

from typing import Final

import torch
from torch import Tensor, nn

WIDTH: Final = 128
HEADS: Final = 4
LAYERS: Final = 4
DROPOUT: Final = 0.1


class LanguageModel(nn.Module):
    """Decoder of four layers with learned positions: tokens (N, T) to logits (N, T, vocabulary).

    A token sees itself and those before it. `length` is the longest sequence.
    """

    def __init__(self, *, vocabulary: int, length: int) -> None:
        super().__init__()
        self._tokens = nn.Embedding(vocabulary, WIDTH)
        self._places = nn.Embedding(length, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, DROPOUT, activation="gelu", batch_first=True, norm_first=True
        )
        self._layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self._norm = nn.LayerNorm(WIDTH)
        self._guess = nn.Linear(WIDTH, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of the token after each one."""
        length = tokens.shape[1]
        places = torch.arange(length, device=tokens.device)
        later = torch.full((length, length), float("-inf"), device=tokens.device).triu(1)
        hidden = self._layers(self._tokens(tokens) + self._places(places), later, is_causal=True)
        guesses: Tensor = self._guess(self._norm(hidden))
        return guesses
