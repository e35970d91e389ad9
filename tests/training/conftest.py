"""A language model of a few thousand random weights, its tokenizer, and rows to train it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from selfagg.record.rows import question_body
from selfagg.training.rows import TrainingRow
from selfagg.types import Question

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TEMPLATE = "{% for m in messages %}<user> {{ m['content'] }} {% endfor %}<assistant>"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in one order: what is compared bit by bit must not hang on how many threads shared the work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<eos>", "<user>", "<assistant>", "<answer>", "</answer>", *map(str, range(19)), "+", "?", "what"]
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>"
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.fixture
def fresh_model(tokenizer: PreTrainedTokenizerBase) -> Callable[[], PreTrainedModel]:
    """Makes the same model each time it is called."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    def made() -> PreTrainedModel:
        torch.manual_seed(5)
        config = Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            max_position_embeddings=256,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
        return Qwen3ForCausalLM(config)

    return made


@pytest.fixture(scope="session")
def rows() -> list[TrainingRow]:
    """Sixteen prompts, every second one with two candidates."""
    made = []
    for place in range(16):
        question = Question(f"q{place}", f"what {place % 9} + 3 ?", gold=str(place % 9 + 3), instruction="")
        shown = place % 2 == 1
        asked = f"{question.text} 1 + 2 + 3 + 4 + 5 + 6" if shown else question.text
        made.append(
            TrainingRow(
                "selfagg/sums",
                ({"role": "user", "content": asked},),
                "text",
                question.gold or "",
                place,
                "train",
                question.id,
                question_body(question),
                aggregation=shown,
                k=2 if shown else 0,
                c=place % 3 if shown else -1,
            )
        )
    return made
