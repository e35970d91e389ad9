"""Presets: one word for the paper's settings; what the user spells out wins."""

from __future__ import annotations

import pytest

from selfagg.evaluation.contenders import Preset, preset_sampling, sized_method
from selfagg.types import Sampling


@pytest.mark.parametrize(
    ("preset", "method", "sizes", "calls"),
    [
        ("paper", "rsa", {"n": 16, "k": 4, "t": 10}, 160),
        ("paper", "majority", {"n": 160, "t": 1}, 160),
        ("paper", "rejection", {"n": 160, "t": 1}, 320),
        ("paper", "self-refine", {"n": 16, "t": 10}, 160),
        ("paper", "one-step", {"n": 16, "k": 4, "t": 2}, 32),
        ("paper", "single", {"n": 16, "t": 1}, 16),
        ("paper", "mixture-of-agents", {"n": 6, "t": 3}, 13),
        ("quick", "rsa", {"n": 4, "k": 2, "t": 3}, 12),
        ("quick", "majority", {"n": 12, "t": 1}, 12),
    ],
)
def test_sizes(preset: Preset, method: str, sizes: dict[str, int], calls: int) -> None:
    built = sized_method(method, preset)
    assert sizes.items() <= built.settings().items()
    assert built.calls == calls


def test_what_the_user_says_wins() -> None:
    built = sized_method("rsa", "paper", {"n": 8, "t": 3})
    assert {"n": 8, "k": 4, "t": 3}.items() <= built.settings().items()
    sampling = Sampling(temperature=0.6, max_tokens=100, reasoning_effort="low")
    assert preset_sampling("paper", sampling, "openai:gpt-oss-20b") == sampling


def test_sampling_of_the_paper() -> None:
    sampling = preset_sampling("paper", Sampling(), "openai:openai/gpt-oss-20b")
    assert (sampling.temperature, sampling.max_tokens) == (1.0, 8192)
    assert (sampling.top_p, sampling.reasoning_effort) == (None, "medium")
    assert preset_sampling("paper", Sampling(), "openai:Qwen3-4B").reasoning_effort is None
    assert preset_sampling("quick", Sampling(), "openai:gpt-oss-20b") == Sampling()
