"""No reader's work grows faster than what it reads: eight times the text, about eight times the work.

A quadratic reader takes 64 times; the bound lies between, where no busy machine reaches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from tests.fuzz.targets import TARGETS

from selfagg.html_report.markup import nodes
from selfagg.models.openai.refusal import asked_wait, refusal, tidy
from selfagg.models.openai.wire import read_reply
from selfagg.models.reasoning import Thinking, split_reasoning
from selfagg.scoring import scorer_for
from selfagg.scoring.answers.values import plain_number, text_value, unwrapped
from selfagg.scoring.text import text_key
from selfagg.types import Question

SMALL, TIMES = 4_000, 8
MOST = 30.0
QUICK_S = 0.05
"""Below this for the long text nothing is measured: no quadratic reader of 32,000 characters is so quick."""

PIECES = (
    *(r"\boxed{", r"\boxed{}", r"\boxed ", r"\fbox{ ", "{", "}", r"\{", "\\", r"\text{"),
    *("<answer>", "</answer>", "<answer", "<think>", "</think>", "</think", "<think", "<", "&"),
    *(
        "```\n",
        "```python\n",
        "~",
        "`",
        "~~~ `\n",
        "\n",
        " ",
        "\t",
        " \n",
        "\r\n",
        "> ",
        "- ",
        "1. ",
        "# ",
        "|",
        "| a |\n",
    ),
    *(
        "$",
        "$$",
        "$$\n",
        r"\(",
        r"\[",
        r"\[\n",
        r"\begin{align}",
        "*",
        "_",
        "**a",
        "[",
        "](",
        "![",
        "[a](",
        "0",
        "3,",
        "-",
        "a",
    ),
    *("option is ", ".", "\u00a0", "\ufdfa", "\u0301", "\u200b"),
)
COSTLY = {"report": 8, "pieces": 4}
"""How much shorter a text these get."""

ENDS = ("", "`", "}", "A", "</answer>", r"\boxed{A}")


def _answers(text: str) -> None:
    for kind in ("math", "choice", "text", "code", "reasoning_gym"):
        scorer_for(kind).answer(Question("q", "?", kind), text)


def _keys(text: str) -> None:
    unwrapped(text)
    plain_number(text)
    text_value(text)
    text_key(text)


def _thoughts(text: str) -> None:
    split_reasoning(text)
    read_reply({"choices": [{"message": {"content": text}}]}, seconds=1.0)


def _pieces(text: str) -> None:
    thinking = Thinking()
    for character in text:
        list(thinking.feed(character))
    list(thinking.rest())


def _refusals(text: str) -> None:
    refusal(400, text, {}, ["key"]).error("host", proven=True)
    tidy(text, ["key"])
    asked_wait({"retry-after": text}, {}, text)


READERS: dict[str, Callable[[str], object]] = {
    "answers": _answers,
    "keys": _keys,
    "thoughts": _thoughts,
    "pieces": _pieces,
    "refusals": _refusals,
    "report": nodes,
}


def seconds(reader: Callable[[str], object], text: str, *, times: int = 1) -> float:
    """Processor time of one reading, the best of several."""

    def once() -> float:
        begun = time.process_time()
        reader(text)
        return time.process_time() - begun

    return min(once() for _ in range(times))


@pytest.mark.parametrize("reader", READERS)
def test_work_grows_as_the_text_does(reader: str) -> None:
    read, size = READERS[reader], SMALL // COSTLY.get(reader, 1)
    for piece in PIECES:
        short = piece * (size // len(piece))
        for end in ENDS if reader == "answers" else ENDS[:2]:
            took = seconds(read, short * TIMES + end)
            if took > QUICK_S:
                took = min(took, seconds(read, short * TIMES + end))
                assert took < MOST * seconds(read, short + end, times=3), f"{piece!r}, then {end!r}"


NESTED = [
    *(("[", "]"), ('{"a":', "}"), ('{"choices":', "}"), ('[{"message":', "}]")),
    ('[{"type": "thinking", "thinking": ', "}]"),
]


@pytest.mark.parametrize(("opening", "closing"), NESTED)
@pytest.mark.parametrize("depth", [90, 330, 480, 900, 100_000])
@pytest.mark.parametrize("target", ["reply", "stream", "refused", "jsonl", "json", "tests", "body", "options"])
def test_depth_is_no_obstacle(target: str, depth: int, opening: str, closing: str) -> None:
    value = f"{opening * depth}1{closing * depth}"
    for text in (value, json.dumps({"question": "q"})[:-1] + f', "data": {value}}}'):
        TARGETS[target]({"stream": "data: ", "reply": "\x00"}.get(target, "").encode() + text.encode())
    message = f'{{"choices": [{{"message": {{"content": {value}}}, "finish_reason": "stop"}}]}}'
    TARGETS["reply"](b"\x00" + message.encode())
