import pytest

from selfagg.errors import UsageError
from selfagg.methods import METHODS, method_named
from selfagg.methods.rejection import grade, judged_true


def test_the_papers_settings_are_the_defaults() -> None:
    assert method_named("rsa").settings() == {"name": "rsa", "n": 16, "k": 4, "t": 10, "order": "random"}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_method_takes_an_empty_population(name: str) -> None:
    with pytest.raises(UsageError, match="n = 0"):
        method_named(name, n=0)
    with pytest.raises(UsageError, match="t = 0"):
        method_named(name, t=0)


@pytest.mark.parametrize(("name", "t"), [("single", 2), ("majority", 3), ("one-step", 3), ("rejection", 2)])
def test_methods_without_recursion_refuse_more_populations(name: str, t: int) -> None:
    with pytest.raises(UsageError, match=f"t = {t}"):
        method_named(name, t=t)


def test_unknown_methods_name_the_near_one_or_all() -> None:
    with pytest.raises(UsageError, match="did you mean self-refine"):
        method_named("self_refine")
    with pytest.raises(UsageError, match=r"there are rsa, single"):
        method_named("zzz")


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("True", True),
        ("**true**.", True),
        ("False", False),
        ("It is false, not true", False),
        ("untrue", False),
        ("", False),
    ],
)
def test_verdicts(reply: str, verdict: bool) -> None:
    assert judged_true(reply) is verdict


@pytest.mark.parametrize(("reply", "value"), [("7", 7), ("Grade: 8.5/10", 8.5), ("100", 10), ("good", -1), ("", -1)])
def test_grades(reply: str, value: float) -> None:
    assert grade(reply) == value
