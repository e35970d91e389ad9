"""DSPy: a prediction with its own markup, a typed one, and the Responses API."""

from __future__ import annotations

from typing import Any

import dspy
from checks import BASE, MODEL, QUESTION, check, deliberated, main


def model(**settings: Any) -> Any:
    return dspy.LM(f"openai/{MODEL}", api_base=BASE, api_key="none", cache=False, **settings)


@check
def chat() -> None:
    deliberated(model()(QUESTION)[0])
    with dspy.context(lm=model()):
        deliberated(dspy.Predict("question -> answer")(question=QUESTION).answer)


@check
def stream() -> None:
    program = dspy.streamify(dspy.Predict("question -> answer"), async_streaming=False)
    with dspy.context(lm=model()):
        *_, last = program(question=QUESTION)
    deliberated(last.answer)


@check
def responses() -> None:
    said: Any = model(model_type="responses")(QUESTION)[0]
    deliberated(said if isinstance(said, str) else said["text"])


main("dspy")
