"""Change the source in small ways, one at a time, and count the changes that the tests notice (mutation testing).

    python scripts/mutants.py                                 # a sample of every module in TESTS
    python scripts/mutants.py methods/ run/runner --share 1   # all changes of some modules
    python scripts/mutants.py --report                        # the table and the survivors of all runs so far

A change replaces or removes one operator, comparison, constant, condition, call, argument or statement. The tests run
in a fork of this process, on a copy of the source: the checkout stays as it is. Results go to build/mutants.jsonl, and
a run skips the changes that have a result there. mutants_known.txt lists survivors that no test can notice, with the
reason. Linux only.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "selfagg"
RESULTS = ROOT / "build" / "mutants.jsonl"
KNOWN = Path(__file__).with_name("mutants_known.txt")

TESTS = {
    "methods/*": "methods",
    "run/subsets": "run/test_subsets.py",
    "run/call_queue": "run/test_call_queue.py",
    "run/stopping": "run/test_stopping.py run/test_agreement.py",
    "run/engine": "run/test_engine.py run/test_runner.py run/test_final_sampling.py",
    "run/question_run": "run/test_question_run.py run/test_runner.py run/test_agreement.py run/test_unscored.py",
    "run/runner": "run/test_answer.py run/test_runner.py run/test_final_sampling.py",
    "record/rows": "record/test_rows.py record/test_record.py",
    "record/record": "record/test_record.py run/test_runner.py",
    "record/configuration": "record/test_configuration.py",
    "record/merge": "record/test_merge.py",
    "models/pace": "models/test_pace.py models/test_limiter.py",
    "models/limiter": "models/test_limiter.py",
    "models/reasoning": "models/test_reasoning.py",
    "models/openai/refusal": "models/openai/test_refusal.py",
    "models/openai/profile": "models/openai/test_profile.py",
    "models/openai/wire": "models/openai/test_wire.py",
    "models/openai/address": "models/openai/test_address.py",
    "prompts/*": "prompts run/test_runner.py",
    "scoring/base": "scoring/test_base.py",
    "scoring/given": "scoring/test_given.py",
    "scoring/gold": "scoring/test_gold.py",
    "scoring/extract": "scoring/test_extract.py",
    "scoring/choice": "scoring/test_choice.py",
    "scoring/text": "scoring/test_text.py",
    "scoring/math": "scoring/test_math.py",
    "scoring/code_tests": "scoring/test_code_tests.py",
    "scoring/code_blocks": "scoring/test_code_blocks.py",
    "scoring/answers/normalise": "scoring/answers/test_normalise.py scoring/answers/test_read.py",
    "scoring/answers/formulas": "scoring/answers/test_formulas.py scoring/answers/test_read.py",
    "scoring/answers/values": "scoring/answers/test_values.py scoring/answers/test_read.py",
    "scoring/answers/words": "scoring/answers/test_words.py scoring/answers/test_read.py",
    "scoring/answers/read": "scoring/answers/test_read.py",
    "analysis/statistics": "analysis/test_statistics_by_hand.py analysis/test_statistics.py",
    "analysis/member_outcomes": "analysis/test_member_outcomes.py analysis/test_missing.py analysis/test_summary.py",
    "analysis/aggregation": "analysis/test_aggregation.py",
    "analysis/labels": "analysis/test_labels.py",
    "analysis/comparison": "analysis/test_comparison.py analysis/test_plots.py",
    "analysis/courses": "analysis/test_courses.py analysis/test_shadow.py",
    "evaluation/budget": "evaluation/test_budget.py",
    "server/plan": "server/test_plan.py",
    "benchmarks/base": "benchmarks/test_base.py",
    "benchmarks/data_files": "benchmarks/test_data_files.py benchmarks/test_file.py",
    "benchmarks/given": "benchmarks/test_given.py",
    "benchmarks/gym": "benchmarks/test_gym.py",
    "training/cards": "training/test_cards.py",
    "training/problems": "training/test_problems.py",
    "training/recipe": "training/test_recipe.py",
    "server/errors": "server/test_errors.py",
    "server/progress": "server/test_progress.py",
    "training/reward": "training/test_reward.py",
    "training/run_folder": "training/test_run_folder.py",
    "cli/generate": "cli/test_generate.py cli/test_options.py",
    "progress": "test_progress.py",
    "terminal": "test_terminal.py",
}
"""The tests under tests/ that look after each module, the fastest first."""

SWAPPED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.RShift: ast.LShift,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
WITHOUT = ["-p", "no:cacheprovider", "-p", "no:xdist"]
PRELOADED = (
    "numpy", "scipy.stats", "scipy.special", "statsmodels.stats.proportion", "statsmodels.stats.power",
    "statsmodels.stats.multitest", "hypothesis.strategies", "pytest", "pytest_asyncio", "aiohttp",
)  # fmt: skip


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPPED:
            yield ast.Compare(node.left, [SWAPPED[type(op)]()], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(SWAPPED[type(node.op)](), node.values)
        case ast.BinOp() if type(node.op) in SWAPPED:
            yield ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield ast.Constant(value + "XX")
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
            yield ast.Name(NAMES[name], ast.Load())
        case ast.If() | ast.While() | ast.IfExp():
            yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.AugAssign() if type(node.op) in SWAPPED:
            yield _with(node, op=SWAPPED[type(node.op)]())
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Call():
            if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
                yield node.args[0]
            for keyword in node.keywords:
                yield _with(node, keywords=[other for other in node.keywords if other is not keyword])


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield where each node that may be changed hangs: its parent, the field, and the place in a list."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _told(child):
                yield node, name, place
                yield from places(child)


def _told(node: ast.AST) -> bool:
    """Return whether a node only tells something: a docstring, an import, the words of an error, types."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec" | "cast")):
            return True
        case ast.Call(func=ast.Name(id=name)) if name.endswith(("Error", "Warning", "refused")):
            return True
        case ast.Subscript(value=ast.Name(id="Literal")):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__" | "T" | "P")]):
            return True
    return False


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield a description and the source of every mutant."""
    tree = ast.parse(source)
    for parent, name, place in [*places(tree)]:
        old = getattr(parent, name) if place is None else getattr(parent, name)[place]
        for new in changed(old):
            _put(parent, name, place, ast.copy_location(new, old))
            before, after = (ast.unparse(node).split("\n")[0][:90] for node in (old, new))
            yield f"{old.lineno}: {before}  ->  {after}", ast.unparse(ast.fix_missing_locations(tree))
            _put(parent, name, place, old)


def _put(parent: ast.AST, name: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[place] = node


def tested(tests: str, copied: Path, log: Path) -> int:
    """Start the tests on a copy of the source in a fork; return its process id."""
    if child := os.fork():
        return child
    os.setpgid(0, 0)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ |= {"PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(copied))
    import pytest

    code = 3
    try:
        paths = [f"tests/{path}" for path in tests.split()]
        code = pytest.main([*paths, "-x", "-q", "-m", "not slow", *WITHOUT])
    finally:
        sys.stdout.flush()
        os._exit(int(code))


def outcome(child: int, limit_s: float) -> str:
    """Wait for the tests of a mutant: ``survived``, ``killed``, or ``hung`` after the limit."""
    end, done = time.monotonic() + limit_s, 0
    try:
        while not done and time.monotonic() < end:
            time.sleep(0.02)
            done, status = os.waitpid(child, os.WNOHANG)
    finally:  # a stopped script too leaves no tests running
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    if not done:
        os.waitpid(child, 0)
        return "hung"
    return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"


def modules(wanted: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the wanted modules (all of `TESTS` by default), each with its tests."""
    for pattern, tests in TESTS.items():
        found = sorted(PACKAGE.glob(f"{pattern}.py"))
        if gone := [path for path in tests.split() if not (ROOT / "tests" / path).exists()] or not found:
            sys.exit(f"TESTS names what is not there: {pattern} {gone}")
        for path in found:
            module = path.relative_to(PACKAGE).with_suffix("").as_posix()
            if path.name != "__init__.py" and any(module.startswith(start) for start in wanted or [""]):
                yield module, tests


def run(module: str, tests: str, share: float, seed: int, folder: Path) -> None:
    """Try a sample of a module's mutants; write each result as soon as it is there."""
    source = (PACKAGE / module).with_suffix(".py").read_text()
    found = [*mutants(source)]
    order = random.Random(f"{seed}/{module}").sample(range(len(found)), len(found))
    done = {row["change"] for row in results() if row["module"] == module}
    copied = folder / "selfagg" / f"{module}.py"
    begun = time.monotonic()
    if outcome(tested(tests, folder, folder / "log"), 600) != "survived":
        sys.exit(f"{module}: its tests fail without any change:\n{(folder / 'log').read_text()[-2000:]}")
    limit_s = 20 + 5 * (time.monotonic() - begun)
    for place in order[: round(share * len(found))]:  # at random, so that a run that is cut off is a sample too
        change, text = found[place]
        if change in done:
            continue
        copied.write_text(text)
        row = {"module": module, "change": change, "outcome": outcome(tested(tests, folder, folder / "log"), limit_s)}
        with RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")
    copied.write_text(source)


def results() -> list[dict[str, str]]:
    """Return all results so far."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def report() -> None:
    """Print killed and tried changes by module, and the survivors that `KNOWN` does not list."""
    known = {line.split("  #")[0].strip() for line in KNOWN.read_text().splitlines()} if KNOWN.exists() else set()
    counts: dict[str, Counter[str]] = {}
    survivors = []
    for row in results():
        name = f"{row['module']}: {row['change'].split(': ', 1)[1]}"
        outcome = "known" if row["outcome"] == "survived" and name in known else row["outcome"]
        counts.setdefault(row["module"], Counter())[outcome] += 1
        if outcome == "survived":
            survivors.append(f"{row['module']}:{row['change']}")
    counts["all"] = sum(counts.values(), Counter())
    for module, count in counts.items():
        killed, tried = count["killed"] + count["hung"], count.total() - count["known"]
        print(f"{module:28} {killed:5} of {tried:5} noticed  {killed / max(tried, 1):7.1%}  {count['known']:3} known")
    print(*survivors, sep="\n")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="beginnings of modules' names; default: all")
    parser.add_argument("--share", type=float, default=0.1, help="share of the changes that is tried")
    parser.add_argument("--seed", type=int, default=0, help="draws the sample; a larger share holds a smaller one")
    parser.add_argument("--report", action="store_true", help="only report")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.chdir(ROOT)
    RESULTS.parent.mkdir(exist_ok=True)
    if not asked.report:
        for name in PRELOADED:
            __import__(name)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(PACKAGE.parent, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            for module, tests in modules(asked.modules):
                run(module, tests, asked.share, asked.seed, Path(folder))
    report()


if __name__ == "__main__":
    main()
