"""`selfagg compare`: methods at one budget on the same questions, nothing asked twice, and what the tables say."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from openai_faults import FaultServer

from selfagg.record.record import Record

EXECUTABLE = Path(sys.executable).with_name("selfagg")
MODEL = ["--model", "simulated:p=0.4"]
SMALL = ["-n", "4", "-k", "2", "-t", "3"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_methods_at_the_same_calls_with_seeds(run: Run, questions: Path, tmp_path: Path) -> None:
    methods = "majority,rsa,self-refine,rejection,single:n=4"
    command = ["compare", questions, *MODEL, *SMALL, "--methods", methods, "--seeds", "2", "--out", "runs/c"]
    outcome = run(*command, "--json")
    assert outcome.returncode == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    labels = [entry["label"] for entry in found["entries"]]
    assert found["reference"] == "rsa n=4 k=2 t=3"
    assert labels == [
        "rsa n=4 k=2 t=3", "majority n=12 t=1", "self-refine n=4 t=3", "rejection n=6 t=1", "single n=4 t=1",
    ]  # fmt: skip
    assert [entry["cost"]["calls"] for entry in found["entries"]] == [12, 12, 12, 12, 4]
    assert all(entry["seeds"] == [1234, 1235] for entry in found["entries"])
    assert (found["simulated"], found["match"], found["where"], found["questions"]) == (True, "calls", "runs/c", 6)
    assert len(found["records"]) == 10

    table = run("compare", "runs/c").stdout
    assert "6 questions x 2 seeds" in table
    assert "SIMULATED: no language model was asked" in table
    for entry in found["entries"]:
        low, high = (f"{100 * end:.1f}" for end in entry["interval"])
        tokens = f"{entry['cost']['prompt']:,.0f} + {entry['cost']['completion']:,.0f}"
        spread = f"{100 * statistics.stdev(entry['by_seed']):.1f}"
        row = [entry["label"], f"{100 * entry['accuracy']:.1f} %", spread, f"{low} to {high} %"]
        assert len(entry["by_seed"]) == 2
        assert entry["accuracy"] == pytest.approx(statistics.fmean(entry["by_seed"]))
        assert re.search(r" +".join(map(re.escape, [*row, f"{entry['cost']['calls']:.0f}", tokens])), table)
    for entry in found["entries"][1:]:
        different = entry["difference"]
        low, high = (f"{100 * end:+.1f}" for end in different["interval"])
        row = [entry["label"], f"{100 * different['mean']:+.1f}", f"{low} to {high}", f"{different['p_value']:.3f}"]
        assert re.search(r" +".join(map(re.escape, row)) + rf" .* {different['verdict']}", table)


def test_records_of_any_runs_against_the_reference_that_is_named(run: Run, questions: Path) -> None:
    run("eval", questions, *MODEL, *SMALL, "--record", "a.sqlite")
    run("eval", questions, *MODEL, "--method", "majority", "-n", "3", "--record", "b.sqlite")
    found = json.loads(run("compare", "a.sqlite", "b.sqlite", "--reference", "majority", "--json").stdout)
    assert found["reference"] == "majority n=3 t=1"
    assert [entry["difference"] is None for entry in found["entries"]] == [False, True]


async def test_first_samples_are_asked_for_once_and_a_second_run_asks_nothing(run: Run, questions: Path) -> None:
    async with FaultServer() as server:
        command = ["compare", questions, "--model", "openai:fake", "--base-url", server.url, *SMALL, "--out", "out"]
        command += ["--methods", "rsa,majority,self-refine", "--seeds", "2", "--max-tokens", "64"]
        planned = json.loads((await asyncio.to_thread(run, *command, "--dry-run", "--json")).stdout)
        assert server.bodies == []
        first = await asyncio.to_thread(run, *command, "--json")
        assert len(server.bodies) == planned["total"]["calls"] == 2 * 6 * (12 + 8 + 8)
        again = await asyncio.to_thread(run, *command, "--json")
        assert len(server.bodies) == planned["total"]["calls"]
        assert json.loads(first.stdout) == json.loads(again.stdout)
        assert "accuracy" not in again.stderr  # nothing was run, so nothing is shown


async def test_matching_tokens_measures_the_reference_and_shares_its_samples(
    run: Run, questions: Path, tmp_path: Path
) -> None:
    async with FaultServer() as server:  # every call takes 11 + 3 tokens
        command = ["compare", questions, "--model", "openai:fake", "--base-url", server.url, "-n", "4", "-k", "2"]
        command += ["-t", "2", "--methods", "majority,rsa", "--match", "tokens", "--out", "out", "--json"]
        outcome = await asyncio.to_thread(run, *command)
        assert outcome.returncode == 0, outcome.stderr
        assert len(server.bodies) == 6 * (8 + 4)
    found = json.loads(outcome.stdout)
    assert [entry["label"] for entry in found["entries"]] == ["rsa n=4 k=2 t=2", "majority n=8 t=1"]
    assert [entry["cost"]["tokens"] for entry in found["entries"]] == [8 * 14, 8 * 14]


def test_an_interrupted_comparison_says_how_to_go_on(
    run: Run, questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    slow = ["--model", "simulated:tokens=400,speed=8000,slots=4", *SMALL, "--methods", "rsa,majority"]
    process = subprocess.Popen(
        [EXECUTABLE, "compare", questions.name, *slow],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    path = Path(process.stderr.readline().removeprefix("record ").strip())
    process.stderr.readline()  # the first line of progress: something is there
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert re.fullmatch(r"runs/\d{8}-\d{6}-questions-compare", str(path.parent))
    assert re.search(rf"stopped; \d+ generations? (is|are) kept in {path.parent}; to go on:", said)
    command = said.splitlines()[-1].strip()
    assert command == f"selfagg compare questions.jsonl {' '.join(slow)} --out {path.parent}"
    found = json.loads(run(*command.split()[1:], "--json").stdout)
    assert [entry["cost"]["calls"] for entry in found["entries"]] == [12, 12]


def test_a_model_that_fails_always_leaves_no_folder(run: Run, questions: Path, tmp_path: Path) -> None:
    outcome = run("compare", questions, "--model", "simulated:fail=1", *SMALL)
    assert outcome.returncode == 1
    assert "nothing was generated yet" in outcome.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_other_settings_in_the_same_folder_are_refused(run: Run, questions: Path) -> None:
    command = ["compare", questions, *MODEL, *SMALL, "--methods", "rsa,majority", "--out", "out"]
    assert run(*command).returncode == 0
    outcome = run(*command, "--temperature", "0.5")
    assert outcome.returncode == 2
    assert "sampling.temperature is 1.0 in the record, 0.5 asked for" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["questions.jsonl", "--methods", "rsa,majorty"], "did you mean majority?"),
        (["questions.jsonl", "--methods", "rsa,rsa"], "rsa is named twice"),
        (["questions.jsonl", "--methods", "rsa:n=four"], "n = 'four'"),
        (["questions.jsonl", "--methods", "rsa:n"], "KEY=VALUE"),
        (["questions.jsonl", "--methods", "rsa,majority:k=3"], "no setting k"),
        (["a.sqlite", "questions.jsonl"], "no record: questions.jsonl"),
        (["a.sqlite"], "there is no record a.sqlite"),
        (["questions.jsonl", "--seeds", "0"], "--seeds"),
        (["a.sqlite", "--dry-run"], "records already"),
        (["a.sqlite", "--seeds", "2"], "these are records"),
        (["questions.jsonl", "--reference", "one-step"], "'one-step' is not one of the methods"),
        (["questions.jsonl", "--out", "questions.jsonl"], "questions.jsonl"),
    ],
)
def test_what_cannot_be_compared(run: Run, questions: Path, arguments: list[str], words: str) -> None:
    outcome = run("compare", *arguments, "--model", "simulated:")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert words in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_records_tell_the_command_and_any_method_can_be_the_reference(
    run: Run, questions: Path, tmp_path: Path
) -> None:
    small = ["-n", "2", "-k", "2", "-t", "2", "--methods", "rsa,single", "--reference", "single"]
    found = json.loads(run("compare", questions, *MODEL, *small, "--out", "out", "--json").stdout)
    assert found["reference"] == "single n=2 t=1"
    (path,) = (tmp_path / "out").glob("rsa-*.sqlite")
    with Record(path, read_only=True) as record:
        assert record.about["command"].startswith("selfagg compare ")


def test_tokens_that_nobody_tells_are_not_matched(run: Run, questions: Path) -> None:
    call = ["compare", questions, "--methods", "rsa,majority", *SMALL, "--match", "tokens", "--model"]
    outcome = run(*call, "simulated:untold=1")
    assert outcome.returncode == 2
    said = outcome.stderr.splitlines()[-1]
    assert re.fullmatch(
        r"selfagg: record \S+: tokens cannot be matched, since they are not told by the server: use --match calls", said
    )
    some = run(*call, "simulated:untold=0.3", "--json")
    assert some.returncode == 0, some.stderr
    assert re.search(r"^note: tokens were not told by the server for \d+ of 72 replies", some.stderr, re.MULTILINE)
    full = json.loads(run(*call, "simulated:untold=0", "--json").stdout)
    sizes = [entry["label"] for entry in json.loads(some.stdout)["entries"]], [e["label"] for e in full["entries"]]
    numbers = [int(re.search(r"majority n=(\d+)", labels[1])[1]) for labels in sizes]  # type: ignore[index]
    assert abs(numbers[0] - numbers[1]) <= 4


def test_a_comparison_tells_failed_from_wrong(run: Run, questions: Path) -> None:
    call = ["compare", questions, "--methods", "rsa,majority", *SMALL, "--model", "simulated:fail=0.1", "--out", "c"]
    outcome = run(*call, "--json")
    found = json.loads(outcome.stdout)
    assert outcome.returncode == 1
    failed = sum(entry["missing"]["failed"] for entry in found["entries"])
    assert failed > 0
    assert "to try them again:\n  selfagg compare" in outcome.stderr
    again = run("compare", "c")  # records are only read: nothing is to be tried again
    assert again.returncode == 0
    assert f"failed      {failed} of 144 members have no reply: counted as wrong" in again.stdout
    for entry in found["entries"]:
        row = rf"^{entry['label']} .* {entry['missing']['failed']} +{100 * entry['accuracy_replied']:.1f} %"
        assert re.search(row, again.stdout, re.MULTILINE)
