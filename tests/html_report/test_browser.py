"""The page in a real browser, opened from disk: what a person does with it, and what a hostile reply cannot do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfagg.html_report.build import build_report
from selfagg.record.record import Record
from selfagg.types import Question

RunOf = Callable[..., Path]


class Page:
    """A page under test: short words for what a person does."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def open(self, path: Path, fragment: str = "") -> None:
        self.browser.get("about:blank")
        self.browser.get(path.as_uri() + fragment)

    def script(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def wait(self, script: str, *arguments: Any) -> Any:
        """The first value of a script that is not false."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, 15, 0.02).until(lambda _: self.script(script, *arguments))

    def grid(self, number: int = 0) -> None:
        """Scrolls a question into view and waits for its cells."""
        self.script("document.querySelectorAll('.card')[arguments[0]].scrollIntoView({behavior: 'instant'})", number)
        self.wait("return document.querySelectorAll('.card')[arguments[0]].querySelector('.grid .cell')", number)

    def keys(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def hover(self, cell: Any, until: str) -> Any:
        """Points at a cell until the page answers: cards drawn late above it may move it away from the pointer."""
        from selenium.common.exceptions import MoveTargetOutOfBoundsException
        from selenium.webdriver import ActionChains
        from selenium.webdriver.support.ui import WebDriverWait

        def pointed(_: Any) -> Any:
            pointer: Any = ActionChains(self.browser)
            pointer.w3c_actions.pointer_action.move_to_location(0, 0)
            pointer.move_to_element(cell).perform()
            return self.script(until)

        patient = WebDriverWait(self.browser, 30, 0.1, ignored_exceptions=[MoveTargetOutOfBoundsException])
        return patient.until(pointed)

    def shown(self) -> list[str]:
        """The questions that are listed."""
        found: list[str] = self.script(
            "return [...document.querySelectorAll('.card:not([hidden]) h3')].map((title) => title.textContent)"
        )
        return found

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def page(browser: Any) -> Page:
    browser.get_log("browser")
    return Page(browser)


@pytest.fixture(scope="module")
def report(rsa: Path, run_of: RunOf, sums: list[Question], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RSA beside majority voting at the same calls."""
    majority = run_of("majority", "simulated:p=0.5", sums, n=24)
    out = tmp_path_factory.mktemp("report") / "report.html"
    build_report([rsa, majority], out, title="Sums & more")
    return out


def test_opens_from_disk_with_figures_and_verdict(page: Page, report: Path) -> None:
    page.open(report)
    page.wait("return document.querySelectorAll('.plot .canvas > svg').length === 6")
    assert page.script("return document.querySelector('h1').textContent") == "Sums & more"
    assert "majority than rsa" in page.script("return document.querySelector('.verdict').textContent")
    assert "simulated" in page.script("return document.querySelector('#about').textContent")
    assert page.script("return document.querySelectorAll('.plot .line').length") > 4
    drawn = page.script("return document.querySelector('.plot svg').getAttribute('aria-label')")
    assert drawn.startswith("Accuracy")
    label = "return document.querySelectorAll('.plot')[1].querySelector('text.label').textContent"
    assert page.script(label) == "calls a question"
    page.script("document.querySelectorAll('.plot')[1].querySelectorAll('.choice input')[2].click()")
    assert page.script(label) == "prompt and completion tokens a question"
    assert page.complaints() == []


def test_hovering_a_member_draws_lines_to_its_parents(page: Page, report: Path, rsa: Path) -> None:
    page.open(report)
    page.grid(2)
    cell = page.script("return document.querySelectorAll('.card')[2].querySelector('[data-at=\"3.4\"]')")
    assert page.hover(cell, "return document.querySelectorAll('.lines path.parent').length") == 2
    assert page.script("return document.querySelectorAll('.lines path.older').length") >= 2
    traced = page.script("return [...document.querySelectorAll('.traced')].map((cell) => cell.dataset.at)")
    with Record(rsa, read_only=True) as record:
        parents = record.members(2)["candidate", 3, 4].parents
    assert {"3.4", *(f"2.{parent}" for parent in parents)} <= set(traced)


def test_every_member_says_its_state_in_words_and_by_a_sign(page: Page, report: Path, rsa: Path) -> None:
    page.open(report)
    page.grid()
    told = page.script(
        "return Object.fromEntries([...document.querySelectorAll('.card .grid')][0].querySelectorAll('.cell').values()"
        ".map((cell) => [cell.dataset.at, [cell.textContent, cell.getAttribute('aria-label')]]))"
    )
    with Record(rsa, read_only=True) as record:
        members = record.members(0)
    assert len(told) == len(members) == 24
    for (_, t, i), member in members.items():
        sign, words = told[f"{t}.{i}"]
        state = (
            "call failed" if member.error else "right" if member.right else "wrong" if member.answer else "no answer"
        )
        assert state in words
        assert {"call failed": "!", "right": "✓", "wrong": "✕", "no answer": "–"}[state] == sign


def test_keyboard_alone_opens_moves_and_closes(page: Page, report: Path) -> None:
    page.open(report)
    page.grid()
    title = "return document.querySelector('#reader:not([hidden]) h3')?.textContent"
    page.script("document.querySelector('.grid .cell[tabindex=\"0\"]').focus()")
    page.keys("\ue015", "\ue014", "\ue007")  # down, right, Enter
    assert page.wait(title) == "Population 2, member 1"
    page.keys("\ue014")  # right, with the reader following
    page.wait(f"return ({title[7:]}) === 'Population 2, member 2'")
    assert page.script("return location.hash") == "#record=0&question=sum-0&t=2&i=2"
    page.keys("\ue00c")  # Escape
    assert page.script("return document.querySelector('#reader').hidden")
    assert page.script("return document.activeElement.dataset.at") == "2.2"


def test_reader_shows_reply_prompt_parts_and_facts(page: Page, report: Path, rsa: Path) -> None:
    with Record(rsa, read_only=True) as record:
        members = record.members(3)
        member = next(m for (_, t, _), m in members.items() if t == 3 and m.reply and m.answer)
        shown = [j for j in member.parents if members["candidate", 2, j].reply]
    page.open(report, f"#record=0&question=sum-3&t=3&i={member.i}")
    page.wait("return document.querySelector('#reader .prompt')")
    text = page.script("return document.querySelector('#reader').innerText")
    assert member.answer is not None
    assert member.answer in text
    assert "Simulated reply" in text
    assert "2 candidate solutions" in text or len(shown) == 1
    assert "Now write one" in text
    page.script("document.querySelectorAll('#reader details').forEach((part) => { part.open = true; })")
    page.wait("return document.querySelectorAll('#reader .candidate .text').length === arguments[0]", len(shown))
    assert page.script("return document.querySelector('#reader details math') !== null")  # the question, typeset
    page.script("document.querySelector('#reader .candidate .link').click()")
    page.wait(
        "return document.querySelector('#reader h3').textContent === arguments[0]",
        f"Population 2, member {shown[0]}",
    )


def test_filters_and_search_choose_questions(page: Page, report: Path, rsa: Path) -> None:
    page.open(report)
    assert len(page.shown()) == 6
    with Record(rsa, read_only=True) as record:
        last = {
            q.id: [m for (_, t, _), m in record.members(p).items() if t == 4] for p, q in enumerate(record.questions())
        }
    disagreeing = [name for name, members in last.items() if len({m.answer for m in members if m.answer}) > 1]
    page.script("[...document.querySelectorAll('.chip')].find((chip) => chip.title.includes('more than one')).click()")
    page.wait("return document.querySelector('.status').textContent.length")
    assert page.shown() == disagreeing
    page.script("[...document.querySelectorAll('.chip')].find((chip) => chip.title.includes('more than one')).click()")
    page.script("document.querySelector('#search').focus()")
    page.keys("sum-5")
    page.wait("return document.querySelector('.status').textContent === '1 of 6 questions'")
    assert page.shown() == ["sum-5"]
    page.script("document.querySelector('#search').select()")
    page.keys("Simulated reply")
    page.wait("return document.querySelector('.status').textContent === '0 of 6 questions'")
    page.script("document.querySelector('#search-replies').click()")
    page.wait("return document.querySelector('.status').textContent === '6 questions'")


def test_another_record_can_be_chosen(page: Page, report: Path) -> None:
    page.open(report, "#record=1&question=sum-4&t=1&i=23")
    page.wait("return document.querySelector('#reader .reply')")
    assert page.script("return document.querySelector('input[name=shown-record]:checked').value") == "1"
    assert page.script("return document.querySelectorAll('.card')[4].querySelectorAll('.grid .cell').length") == 24
    assert page.complaints() == []


def test_an_unfinished_run_says_so(page: Page, rsa: Path, sums: list[Question], tmp_path: Path) -> None:
    with Record(rsa, read_only=True) as whole, Record(tmp_path / "begun.sqlite") as record:
        record.begin(whole.configuration, sums)
    build_report([tmp_path / "begun.sqlite"], tmp_path / "report.html")
    page.open(tmp_path / "report.html")
    assert "0 of 6 questions are done" in page.script("return document.querySelector('#comparison').textContent")
    page.grid()
    assert page.script("return document.querySelectorAll('.card')[0].querySelectorAll('.cell.missing').length") == 24
    page.script("document.querySelector('.card .cell').click()")
    page.wait("return document.querySelector('#reader .content').textContent.includes('not computed')")
    assert page.complaints() == []


def test_what_a_run_lacks_is_told(
    page: Page, run_of: Callable[..., Path], sums: list[Question], tmp_path: Path
) -> None:
    record = run_of("rsa", "simulated:fail=0.3,untold=1", sums, n=3, k=2, t=2)
    build_report([record], tmp_path / "report.html")
    page.open(tmp_path / "report.html")
    told = page.script("return document.querySelector('#comparison').textContent")
    assert "members have no reply: counted as wrong; without them its answer is right in" in told
    assert "Tokens: not told by the server." in told
    page.grid()
    page.script("document.querySelector('.card .cell:not(.failed)').click()")
    page.wait("return document.querySelector('#reader .content').textContent.includes('not told by the server')")
    assert page.complaints() == []


def test_hostile_text_stays_text(page: Page, hostile: Path, tmp_path: Path) -> None:
    out = tmp_path / "hostile.html"
    build_report([hostile], out)
    page.open(out)
    page.grid()
    page.script("document.querySelector('.grid [data-at=\"2.1\"]').click()")
    page.wait("return document.querySelector('#reader .reply .text')")
    page.script("document.querySelectorAll('#reader details').forEach((part) => { part.open = true; })")
    page.wait("return document.querySelectorAll('#reader .candidate .text').length === 2")
    text = page.script("return document.querySelector('#reader .reply').textContent")
    for piece in ("<script>window.hacked = 1</script></script></textarea>", "onerror=", "(javascript:", "{{title}}"):
        assert piece in text
    assert "U+202E" in text  # what would turn the text around is shown by its number
    for part in ("title", ".top", "main", "#reader"):
        assert "\u202e" not in page.script("return document.querySelector(arguments[0]).textContent", part)
    assert (
        page.script("return document.querySelectorAll('#reader img, #reader a, #reader iframe, #reader svg').length")
        == 0
    )
    assert page.script("return document.querySelectorAll('[href^=javascript]').length") == 0
    assert page.script("return window.hacked") is None
    assert (
        page.script("return document.querySelectorAll('body > script').length") == 4
    )  # data, two texts, the page's own
    assert page.complaints() == []


def test_policy_refuses_what_a_page_without_it_would_run(page: Page, report: Path) -> None:
    page.open(report)
    assert (
        page.script("try { document.body.innerHTML = '<b>x</b>'; return 'made'; } catch { return 'refused'; }")
        == "refused"
    )
    page.script("const s = document.createElement('img'); s.src = 'https://example.org/x.png'; document.body.append(s)")
    page.wait("return true")
    assert any("Content Security Policy" in message for message in page.complaints())
