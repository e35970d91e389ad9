from __future__ import annotations

import pytest

llm = pytest.importorskip("llm")


def test_a_prompt_and_a_conversation_through_the_plugin() -> None:
    from selfagg.integrations.llm import SelfaggModel

    conversation = SelfaggModel().conversation()
    first = conversation.prompt("What is 2 + 2?", model="simulated:", n=3, k=2, t=2)
    assert first.text()
    usage = first.usage()
    assert usage.details["calls"] == 3  # the two parents of the answer, and the answer
    assert usage.input > 0
    assert conversation.prompt("And 3 + 3?", model="simulated:", n=2, k=1, t=2, system="Be brief.").text()


def test_the_plugin_is_found_by_its_entry_point() -> None:
    assert llm.get_model("selfagg").model_id == "selfagg"
