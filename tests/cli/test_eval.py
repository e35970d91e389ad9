"""`selfagg eval`: the table and the JSON say the same, a run goes on where it stopped, and it can be stopped."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from openai_faults import FaultServer, refuse

from selfagg.record.record import Record

EXECUTABLE = Path(sys.executable).with_name("selfagg")
SMALL = ["--model", "simulated:unanswered=0.2", "-n", "4", "-k", "2", "-t", "3"]
SLOW = ["--model", "simulated:tokens=400,speed=8000,slots=4", "-n", "4", "-k", "2", "-t", "10"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def written(folder: Path) -> bytes:
    """All that a run's record holds."""
    found = b"".join(file.read_bytes() for file in folder.glob("run.sqlite*"))
    assert found
    return found


def test_json_and_table_agree_and_a_run_that_is_done_asks_nothing_again(
    run: Run, questions: Path, tmp_path: Path
) -> None:
    found = json.loads(run("eval", questions, *SMALL, "--record", "run.sqlite", "--json").stdout)
    assert {name: found[name] for name in ("method", "n", "k", "t", "questions", "calls", "failures", "record")} == {
        "method": "rsa", "n": 4, "k": 2, "t": 3, "questions": 6, "calls": 72, "failures": 0, "record": "run.sqlite",
    }  # fmt: skip
    with Record(tmp_path / "run.sqlite", read_only=True) as record:
        times = record.query("SELECT started FROM generations")

    again = run("eval", questions, *SMALL, "--record", "run.sqlite")
    table = again.stdout
    assert "SIMULATED: no language model was asked" in table
    assert "6 questions" in table
    rows = re.findall(r"^(\d) +(\S+) % +(\S+) to (\S+) % +(\S+) % +(\S+) % +(\S+) +(\d+)", table, re.MULTILINE)
    assert len(rows) == len(found["populations"]) == 3
    for row, population in zip(rows, found["populations"], strict=True):
        shares = (population["accuracy"], *population["interval"], population["pass_at_n"], population["majority"])
        assert row[:6] == (str(population["t"]), *(f"{100 * share:.1f}" for share in shares))
        assert row[6:] == (f"{population['distinct']:.1f}", str(population["unanswered"]))
    assert f"{found['usage']['completion']:,} completion" in table
    assert re.search(r"^calls +72\b", table, re.MULTILINE)
    assert "questions 6/6 | members 72/72" in again.stderr
    with Record(tmp_path / "run.sqlite", read_only=True) as record:
        assert record.query("SELECT started FROM generations") == times


def test_each_run_gets_a_record_of_its_own_and_stdout_nothing_but_the_result(
    run: Run, questions: Path, tmp_path: Path
) -> None:
    outcomes = [run("eval", questions, *SMALL, "--json") for _ in range(2)]
    names = []
    for outcome in outcomes:
        (line,) = outcome.stdout.splitlines()
        names.append(json.loads(line)["record"])
        assert f"record {names[-1]}" in outcome.stderr
        assert "100%" in outcome.stderr
        assert "\x1b" not in outcome.stderr  # no terminal, no colours
    assert names[0] != names[1]
    for name in names:
        assert re.fullmatch(r"runs/\d{8}-\d{6}-questions-rsa(-\d)?\.sqlite", name)
        with Record(tmp_path / name, read_only=True) as record:
            assert record.configuration["source"] == "questions.jsonl, 6 questions"
            assert record.about["command"].startswith("selfagg eval ")
            assert "selfagg" in record.about["versions"]


def test_the_source_in_the_record_says_which_questions(run: Run, tmp_path: Path) -> None:
    source = ["eval", "reasoning_gym:chain_sum,spell_backward", "--size", "4", "--data-seed", "3", "--examples", "1"]
    outcome = run(*source, *SMALL[:2], "-n", "1", "-k", "1", "-t", "1", "--record", "run.sqlite")
    assert outcome.returncode == 0, outcome.stderr
    with Record(tmp_path / "run.sqlite", read_only=True) as record:
        said = record.configuration["source"]
        assert said == "reasoning_gym:chain_sum,spell_backward, 4 questions, data seed 3, 1 examples"
        assert [question.group for question in record.questions()] == ["chain_sum", "spell_backward"] * 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_what_is_kept_and_goes_on(
    number: signal.Signals, code: int, run: Run, questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [EXECUTABLE, "eval", questions.name, *SLOW],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    path = process.stderr.readline().removeprefix("record ").strip()
    process.stderr.readline()  # the first line of progress: something is there
    process.send_signal(number)
    out, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in said
    with Record(tmp_path / path) as record:
        ((kept,),) = record.query("SELECT count(*) FROM generations")
    assert 0 < kept < 240
    command = said.splitlines()[-1].strip()
    assert f"stopped; {kept} generation" in said
    assert command == f"selfagg eval questions.jsonl {' '.join(SLOW)} --record {path}"
    resumed = run(*command.split()[1:], "--json")
    assert json.loads(resumed.stdout)["calls"] == 240


@pytest.mark.parametrize(
    ("numbers", "deaf", "code"),
    [
        ([signal.SIGINT] * 2, False, 130),
        ([signal.SIGTERM] * 2, False, 143),
        ([signal.SIGTERM], True, 143),  # a job that a script starts with & does not hear Ctrl-C
    ],
)
def test_impatience_and_background_jobs_change_nothing_about_it(
    numbers: list[signal.Signals], deaf: bool, code: int, questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if deaf else signal.getsignal(signal.SIGINT)
    try:
        process = subprocess.Popen(
            [EXECUTABLE, "eval", questions.name, *SLOW],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stderr
    process.stderr.readline()
    process.stderr.readline()
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.01)  # two of one number at one time are one
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "generations are kept in" in said
    assert "Traceback" not in said


def test_failed_calls_are_counted_and_tried_again_by_the_next_run(run: Run, questions: Path) -> None:
    call = ["eval", questions.name, "--model", "simulated:fail=0.3", "-n", "4", "-k", "2", "-t", "3"]
    outcome = run(*call, "--record", "r.sqlite", "--json")
    found = json.loads(outcome.stdout)
    failed = found["missing"]["failed"]
    assert found["failures"] == failed > 0
    assert f"{failed} failed" in outcome.stderr
    assert found["answer_replied"] > found["answer_accuracy"]
    assert outcome.returncode == 1
    *_, sentence, command = outcome.stderr.splitlines()
    assert sentence == f"selfagg: {failed} of 72 members have no reply; to try them again:"
    assert command.split() == ["selfagg", *call, "--record", "r.sqlite", "--json"]
    assert run(*command.split()[1:]).returncode == 1  # the same calls fail again
    assert run(*call).stderr.splitlines()[-1].strip().endswith(".sqlite")  # the record that selfagg named


def test_tokens_that_are_not_told_are_not_claimed(run: Run, questions: Path) -> None:
    outcome = run("eval", questions, "--model", "simulated:untold=1", "-n", "2", "-k", "1", "-t", "2")
    assert outcome.returncode == 0
    assert "tokens     not told by the server" in outcome.stdout
    assert "tokens/s" not in outcome.stdout + outcome.stderr


async def test_secrets_in_a_url_stay_out_of_record_and_messages(run: Run, questions: Path, tmp_path: Path) -> None:
    async with FaultServer() as server:
        url = server.url.replace("//", "//me:p4ssword@") + "?key=s3cret"
        call = ["eval", questions, "--model", "openai:fake", "--base-url", url, "-n", "2", "-k", "2", "-t", "2"]
        outcome = await asyncio.to_thread(run, *call, "--record", "run.sqlite")
    assert outcome.returncode == 0, outcome.stderr
    assert not any(secret in written(tmp_path) for secret in (b"p4ssword", b"s3cret"))
    assert "p4ssword" not in outcome.stderr + outcome.stdout


def test_a_real_model_behind_a_real_server(run: Run, questions: Path, llama_server: str, tmp_path: Path) -> None:
    model = ["--model", "openai:smollm2", "--base-url", llama_server, "--max-tokens", "16", "--size", "2"]
    outcome = run("eval", questions, *model, "-n", "2", "-k", "2", "-t", "2", "--json", "--record", "run.sqlite")
    assert outcome.returncode == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert (found["model"], found["simulated"], found["calls"], found["failures"]) == ("openai:smollm2", False, 8, 0)
    assert 8 <= found["usage"]["completion"] <= 8 * 16
    assert found["usage"]["prompt"] > 0
    with Record(tmp_path / "run.sqlite", read_only=True) as record:
        assert record.about["context"] == 4096


def test_a_run_of_which_every_call_failed_says_why_and_is_no_success(run: Run, questions: Path) -> None:
    outcome = run("eval", questions, "--size", "1", "--model", "simulated:fail=1", "-n", "2", "-k", "1", "-t", "2")
    assert outcome.returncode == 1
    assert "failure    the last: simulated failure" in outcome.stdout
    assert outcome.stderr.splitlines()[-1] == "selfagg: every call failed; the last: simulated failure"


async def test_a_server_that_refuses_the_key_is_the_users_to_mend(run: Run, questions: Path, tmp_path: Path) -> None:
    key = "sk-canary-0123456789abcdef"
    async with FaultServer(rate=1.0, kinds=[refuse(401, f"no such key {key}")]) as server:
        model = ["--model", "openai:fake", "--base-url", server.url, "--record", "run.sqlite"]
        call = ["eval", questions, *model, "-n", "4", "-k", "2", "-t", "2"]
        outcome = await asyncio.to_thread(run, *call, OPENAI_API_KEY=key)
    assert outcome.returncode == 2, outcome.stderr
    assert "answered 401: no such key ***; nothing was generated yet" in outcome.stderr
    assert key not in outcome.stderr
    assert key.encode() not in written(tmp_path)


def test_a_model_that_fails_always_ends_the_run_and_leaves_nothing(run: Run, questions: Path, tmp_path: Path) -> None:
    outcome = run("eval", questions, "--model", "simulated:fail=1", "-n", "16", "-t", "2")
    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert "calls in a row failed" in outcome.stderr.splitlines()[-1]
    assert "nothing was generated yet" in outcome.stderr
    assert not list(tmp_path.glob("runs/*"))
