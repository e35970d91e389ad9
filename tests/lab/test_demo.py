"""The demo's model is the lab's, token by token, and RSA gains with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from examples.lab.demo.__main__ import SAMPLING, WEIGHTS, WORDING, app, bound, populations, questions
from examples.lab.demo.lineage import told
from examples.lab.demo.llama import forward
from examples.lab.demo.tiny_llama import TinyLlama
from examples.lab.task import World, candidate
from typer.testing import CliRunner

import selfagg
from selfagg.prompts import aggregation, first
from selfagg.types import Message, Request

WORLD = World(seed=31)
HELD_OUT = WORLD.problems(100, held_out=True)


def prompts() -> list[tuple[Message, ...]]:
    """Return plain, aggregation and refinement prompts of different lengths."""
    found = []
    for question in questions(4, 1):
        problem = next(problem for problem in HELD_OUT if WORLD.question(problem).id == question.id)
        shown = [
            candidate(place, problem, [WORLD.walk(problem.rules, place + goal) for goal in range(3)])
            for place in range(4)
        ]
        found.append(first(question).messages(()))
        for count in (1, 3, 4):
            texts = [member.text for member in shown[:count]]
            found.append(aggregation(question, shown[:count]).messages(texts))
    return found


async def replies(model: selfagg.Model, temperature: float, seeds: range) -> list[selfagg.Reply]:
    sampling = selfagg.Sampling(temperature=temperature, max_tokens=16)
    question = questions(1, 1)[0]
    async with model:
        requests = [Request(messages, sampling, seed, question) for messages in prompts() for seed in seeds]
        return await asyncio.gather(*map(model.sample, requests))


async def test_greedy_replies_are_those_of_transformers() -> None:
    torch = pytest.importorskip("torch")
    from examples.lab.model import make_model, make_tokenizer

    from selfagg.models.transformers.model import HFModel

    tokenizer = make_tokenizer(WORLD)
    model, ours = make_model(tokenizer, 0), TinyLlama(WEIGHTS)
    assert ours.words == tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    weights = {name: torch.tensor(weight, dtype=torch.float32) for name, weight in ours.weights.items()}
    missing = model.load_state_dict(weights, strict=False)
    assert (missing.missing_keys, missing.unexpected_keys) == (["lm_head.weight"], [])
    for messages in prompts():
        template = tokenizer.apply_chat_template(
            [dict(turn) for turn in messages], add_generation_prompt=True, tokenize=False
        )
        ids = tokenizer(str(template))["input_ids"]
        assert ours.tokens(messages) == ids
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].numpy()
        assert forward(ours.weights, np.array([ids]), [])[0][0] == pytest.approx(logits, abs=1e-3)
    theirs = await replies(HFModel(model, tokenizer), 0.0, range(1))
    for one, other in zip(await replies(ours, 0.0, range(1)), theirs, strict=True):
        assert (one.text, one.stop, one.usage) == (other.text, other.stop, other.usage)


async def test_a_reply_follows_from_its_seed_alone() -> None:
    together = await replies(TinyLlama(WEIGHTS), 1.0, range(8))
    assert together == await replies(TinyLlama(WEIGHTS), 1.0, range(8))
    assert [reply.text for reply in together[3::8]] == [
        reply.text for reply in await replies(TinyLlama(WEIGHTS), 1.0, range(3, 4))
    ]
    assert len({reply.text for reply in together[:8]}) > 3


async def test_a_setting_that_the_model_does_not_have_is_refused() -> None:
    request = Request(prompts()[0], selfagg.Sampling(top_p=0.5, max_tokens=16), 0, questions(1, 1)[0])
    with pytest.raises(selfagg.ModelError, match="no setting but temperature"):
        await TinyLlama(WEIGHTS).sample(request)


def test_no_question_was_trained_on() -> None:
    assert {question.id for question in questions(100, 3)} == {WORLD.question(problem).id for problem in HELD_OUT}
    learnt, kept = WORLD.sequences
    assert not set(learnt) & set(kept)
    assert {problem.rules for problem in HELD_OUT} <= set(kept)


def test_rsa_gains(tmp_path: Path) -> None:
    record = tmp_path / "rsa.sqlite"
    found = selfagg.evaluate(
        questions(10, 0),
        model=TinyLlama(WEIGHTS),
        method=selfagg.RSA(n=16, k=4, t=4),
        sampling=SAMPLING,
        wording=WORDING,
        record=record,
    )
    analysis = selfagg.analyze(record)
    start, *_, end = (population["accuracy"] for population in analysis.to_dict()["populations"])
    assert end > start + 0.2
    accuracies, goals, rates = populations(analysis)
    assert f"{start:.0%} -> " in accuracies
    assert goals.startswith("Single goals right: ")
    assert "r_0 " in rates
    assert bound(analysis).startswith("pass@16: ")
    assert told(found.questions).count("population ") in (0, 4)


def test_the_command_writes_records_report_and_picture(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = CliRunner().invoke(app, ["--size", "3", "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "report.html").stat().st_size > 10_000
    assert len(list(out.glob("*.sqlite"))) == 3
    for line in ("RSA's accuracy by population", "pass@64", "Rejection sampling is left out"):
        assert line in result.output
