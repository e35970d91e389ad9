"""Draw the next token of many rows at once, each by its own random number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings by which the tokens of a row are chosen.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_p: Nucleus mass.
        top_k: Only so many of the likeliest tokens; 0 for all.
        min_p: Only tokens with at least this share of the likeliest token's probability.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0

    @property
    def cuts(self) -> bool:
        """Return True if any token is ruled out."""
        return self.top_p < 1 or self.top_k > 0 or self.min_p > 0


@dataclass(slots=True)
class Sampler:
    """A sampler of tokens for the rows of one batch; made anew when its rows change.

    A token is the one at which the summed probabilities pass the row's random number. So a row needs one number a
    token, and its choice hangs on nothing but its own logits and number.
    """

    choices: Sequence[Choice]
    device: torch.device
    _greedy: bool = field(init=False)
    _temperatures: torch.Tensor = field(init=False)
    _cut: list[int] = field(init=False)

    def __post_init__(self) -> None:
        import torch

        self._greedy = all(choice.temperature == 0 for choice in self.choices)
        self._temperatures = torch.tensor([[choice.temperature] for choice in self.choices], device=self.device)
        self._cut = [place for place, choice in enumerate(self.choices) if choice.cuts and choice.temperature > 0]

    def draw(self, logits: torch.Tensor, numbers: Sequence[float]) -> torch.Tensor:
        """Draw the next token of each row.

        Args:
            logits: Of shape (rows, vocabulary), float32.
            numbers: One of [0, 1) for each row.

        Returns:
            Tokens of shape (rows,).
        """
        import torch

        likeliest = logits.argmax(-1)
        if self._greedy:
            return likeliest
        probabilities = (logits / self._temperatures.clamp(min=1e-6)).softmax(-1)
        if self._cut:
            probabilities[self._cut] = self._without_tail(probabilities[self._cut])
        precise = torch.float32 if self.device.type == "mps" else torch.float64  # MPS has none of 64 bits
        summed = probabilities.cumsum(-1, dtype=precise)
        marks = torch.tensor(numbers, dtype=precise, device=self.device).unsqueeze(-1) * summed[:, -1:]
        drawn = torch.searchsorted(summed, marks, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)
        return torch.where(self._temperatures.squeeze(-1) == 0, likeliest, drawn)

    def _without_tail(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of the rows that cut, with the cut tokens at 0; the likeliest token always stays."""
        import torch

        choices = [self.choices[place] for place in self._cut]
        ordered, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
        size = ordered.shape[-1]

        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=ordered.dtype, device=self.device).unsqueeze(-1)

        rank = torch.arange(size, device=self.device)
        keep = (ordered.cumsum(-1) - ordered) < column([choice.top_p for choice in choices])
        keep &= rank < column([float(choice.top_k or size) for choice in choices])
        keep &= ordered >= column([choice.min_p for choice in choices]) * ordered[:, :1]
        keep[:, 0] = True
        return torch.zeros_like(probabilities).scatter(-1, tokens, ordered * keep)
