from __future__ import annotations

import pytest

litellm = pytest.importorskip("litellm")


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    from selfagg.integrations.litellm import SelfaggLLM

    handler = SelfaggLLM(n=3, k=2, t=2)
    monkeypatch.setattr(litellm, "custom_provider_map", [{"provider": "selfagg", "custom_handler": handler}])


def test_a_completion_without_a_server() -> None:
    reply = litellm.completion("selfagg/simulated:", messages=[{"role": "user", "content": "What is 2 + 2?"}])
    assert reply.choices[0].message.content
    assert reply.usage.completion_tokens > 0


async def test_an_asynchronous_completion() -> None:
    reply = await litellm.acompletion("selfagg/simulated:", messages=[{"role": "user", "content": "What is 2 + 2?"}])
    assert reply.choices[0].message.content
