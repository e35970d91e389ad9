"""The page in a real browser: a person asks, watches and reads; what a model writes is only text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from serving import Served, serving
from waiting import until

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.settings import ServeSettings
from selfagg.types import Delta, Reply, Request, Usage

HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\n\n"
    "[click](javascript:window.hacked=3) $<img src=x onerror=window.hacked=4>$\n\n"
    r"The root is $\frac{1}{2}$ and \(x^2\)."
)


class Scripted(SimulatedModel):
    """Writes one text, whatever it is asked."""

    def __init__(self, text: str) -> None:
        super().__init__(Simulation())
        self.text = text

    async def sample(self, request: Request) -> Reply:
        return Reply(self.text, usage=Usage(5, 1, 7))

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        for piece in (self.text[:50], self.text[50:]):
            yield Delta(piece)
        yield await self.sample(request)


class Held(SimulatedModel):
    """Replies as often as it is let, by turns with one of two answers."""

    def __init__(self) -> None:
        super().__init__(Simulation())
        self.let, self.replies = asyncio.Semaphore(0), 0

    async def sample(self, request: Request) -> Reply:
        await self.let.acquire()
        self.replies += 1
        return Reply(rf"It is \boxed{{{self.replies % 2}}}.", usage=Usage(5, 1, 7))

    def go_on(self, replies: int) -> None:
        for _ in range(replies):
            self.let.release()


class Remembering(Scripted):
    """Keeps what it is asked; its answers count."""

    def __init__(self) -> None:
        super().__init__("")
        self.asked: list[list[Any]] = []

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        self.asked.append([(message["role"], message["content"]) for message in request.messages])
        self.text = f"answer {len(self.asked)}"
        async for piece in super().stream(request):
            yield piece


class Page:
    """Short words for what a person does."""

    def __init__(self, browser: Any, served: Served) -> None:
        self.browser, self.served = browser, served

    async def script(self, script: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(self.browser.execute_script, script, *arguments)

    async def wait(self, script: str) -> Any:
        async with asyncio.timeout(15):
            while not (found := await self.script(f"return {script}")):  # noqa: ASYNC110 - a browser tells nobody
                await asyncio.sleep(0.02)
        return found

    async def open(self) -> None:
        await asyncio.to_thread(self.browser.get_log, "browser")
        await asyncio.to_thread(self.browser.get, f"{self.served.url}/")
        await self.ready()

    async def ask(self, question: str, **settings: str) -> None:
        for name, value in {"question": question, **settings}.items():
            await self.script("document.getElementById(arguments[0]).value = arguments[1]", name, value)
        await self.script("document.getElementById('go').click()")

    async def status(self) -> str:
        return str(await self.script("return document.getElementById('status').textContent"))

    async def complaints(self) -> list[str]:
        return [entry["message"] for entry in await asyncio.to_thread(self.browser.get_log, "browser")]

    async def reload(self) -> None:
        await asyncio.to_thread(self.browser.refresh)

    async def ready(self) -> None:
        """Wait until the page knows the server's settings."""
        await self.wait("document.getElementById('n').value")

    async def width(self, width: int, height: int = 800) -> None:
        """Let the page be so wide, in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await asyncio.to_thread(self.browser.execute_cdp_cmd, "Emulation.setDeviceMetricsOverride", metrics)

    async def click(self, selector: str) -> None:
        """Click as a hand does: some things a browser does for nobody else."""
        await asyncio.to_thread(lambda: self.browser.find_element("css selector", selector).click())

    async def paste(self) -> str:
        """Return what is on the clipboard."""
        await self.click("#question")
        field = self.browser.find_element("css selector", "#question")
        await asyncio.to_thread(field.send_keys, "\ue009v")
        return str(await self.script("return document.getElementById('question').value"))

    async def texts(self, selector: str) -> list[str]:
        found = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        return list(await self.script(found, selector))


DONE = "document.getElementById('status').textContent === 'done'"


async def test_a_person_asks_watches_reads_a_member_and_its_parents(browser: Any) -> None:
    model = Held()
    async with serving(model, ServeSettings(stop="never", copy=False)) as served:
        page = Page(browser, served)
        await page.open()
        await page.wait("document.getElementById('model').textContent === 'simulated:'")
        await page.ask("what?", n="4", k="2", t="3", kind="math", answer="majority")
        model.go_on(1)
        await page.wait("document.querySelectorAll('.cell[data-at]').length === 1")
        assert await page.script("return document.querySelectorAll('.cell.awaited').length > 0")
        model.go_on(11)
        await page.wait(DONE)
        rows = await page.script("return [...document.querySelectorAll('.population p')].map((row) => row.textContent)")
        assert len(rows) == 3
        assert all("agreement" in row and "tokens" in row for row in rows[1:])
        assert rows[2].startswith("4 of 4")
        usage = await page.script("return document.querySelector('.turn:last-child .usage').textContent")
        assert "calls" in usage
        assert await page.script("return document.querySelector('.final math') !== null")
        await page.script("document.querySelector('.cell[data-at=\"3.0\"]').click()")
        await page.wait("document.querySelectorAll('#reader .parents .cell').length === 2")
        await page.script("document.querySelector('#reader .parents .cell').click()")
        await page.wait("document.querySelector('#reader h3').textContent.startsWith('Population 2')")
        assert await page.complaints() == []


async def test_tokens_that_the_backend_does_not_tell_are_said_to_be_estimated(browser: Any) -> None:
    async with serving(SimulatedModel(Simulation(untold=1))) as served:
        page = Page(browser, served)
        await page.open()
        await page.wait("document.getElementById('model').textContent === 'simulated:'")
        await page.ask("what?", n="2", k="1", t="2", kind="math")
        await page.wait(DONE)
        usage = await page.script("return document.querySelector('.turn:last-child .usage').textContent")
        assert "by estimate" in usage
        await page.script("document.querySelector('.cell[data-at]').click()")
        await page.wait("document.querySelector('#reader').textContent.includes('tokens not told by the server')")
        assert await page.complaints() == []


async def test_what_a_model_writes_is_only_text_and_its_mathematics_is_typeset(browser: Any) -> None:
    async with serving(Scripted(HOSTILE)) as served:
        page = Page(browser, served)
        await page.open()
        await page.ask("<b>what?</b>", n="2", k="1", t="2")
        await page.wait(DONE)
        await page.script("document.querySelector('.cell[data-at]').click()")
        await page.wait("document.querySelector('#reader .text math')")
        assert await page.script("return document.querySelector('.final mfrac') !== null")
        assert await page.script("return document.querySelectorAll('img, iframe, a[href], .final script').length") == 0
        assert await page.script("return window.hacked === undefined")
        assert "window.hacked = 1" in await page.script("return document.querySelector('.final').textContent")
        assert await page.complaints() == []


async def test_stopping_ends_the_work_and_errors_are_told(browser: Any) -> None:
    async with serving(SimulatedModel(Simulation(speed=10, tokens=100))) as served:
        page = Page(browser, served)
        await page.open()
        await page.ask("what?")
        await until(lambda: served.service.call_queue.inside > 0, 5)
        await page.script("document.getElementById('stop').click()")
        await until(lambda: served.service.call_queue.inside == 0)
        await page.wait("document.getElementById('status').textContent === 'stopped'")
        await page.ask("what?", n="1000")
        await page.wait("document.getElementById('status').className.includes('error')")
        assert "at most 64" in await page.status()


async def test_a_key_is_asked_for_where_one_is_needed(browser: Any) -> None:
    async with serving(SimulatedModel(Simulation()), ServeSettings(keys=("secret",))) as served:
        page = Page(browser, served)
        await page.open()
        await page.wait("!document.getElementById('key-field').hidden")
        await page.ask("what?", key="secret", n="2", k="1", t="1")
        await page.wait(DONE)


PLAIN = {"n": "1", "k": "1", "t": "1"}
LINES = r"""$$\begin{aligned} a &= b \\ &= c + 1 \end{aligned}$$

$$\begin{gather} x = 1 \\ y = 2 \end{gather}$$

$$f(x) = \begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}$$

$$W = aaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbb + ccccccccccccccccccccc + ddddddddddddddddddddd + eeeeeeeeeeeeeeeeee$$
"""


async def test_a_follow_up_sends_the_history_and_a_reload_keeps_it(browser: Any) -> None:
    model = Remembering()
    async with serving(model) as served:
        page = Page(browser, served)
        await page.open()
        await page.ask("first?", **PLAIN)
        await page.wait(DONE)
        await page.reload()
        await page.ready()
        await page.wait("document.querySelector('.turn .copy')")
        assert await page.texts(".asked") == ["first?"]
        assert await page.texts(".final") == ["answer 1"]
        await page.ask("and then?", **PLAIN)
        await page.wait("document.querySelectorAll('.turn .copy').length === 2")
        assert model.asked[1] == [("user", "first?"), ("assistant", "answer 1"), ("user", "and then?")]
        await page.script("document.querySelector('.turn:last-child .retry').click()")
        await page.wait("document.querySelector('.turn:last-child .final').textContent === 'answer 3'")
        assert model.asked[2] == model.asked[1]
        assert await page.texts(".asked") == ["first?", "and then?"]
        await page.script("window.confirm = () => true; document.getElementById('clear').click()")
        assert await page.texts(".asked") == []
        await page.reload()
        await page.ready()
        assert await page.texts(".asked") == []
        assert await page.complaints() == []


async def test_the_last_turn_alone_can_be_asked_again_and_a_stopped_one_is_not_sent(browser: Any) -> None:
    async with serving(SimulatedModel(Simulation(speed=10, tokens=100))) as slow:
        page = Page(browser, slow)
        await page.open()
        await page.ask("stopped?", **PLAIN)
        await until(lambda: slow.service.call_queue.inside > 0, 5)
        await page.script("document.getElementById('stop').click()")
        await page.wait("document.querySelector('.turn .retry')")
        assert "not part of the conversation" in (await page.texts(".turn .usage"))[0]
        kept = await page.script("return localStorage.getItem('selfagg.conversation')")
    model = Remembering()
    async with serving(model) as served:
        page = Page(browser, served)
        await page.open()
        await page.script("localStorage.setItem('selfagg.conversation', arguments[0])", kept)
        await page.reload()
        await page.ready()
        await page.ask("second?", **PLAIN)
        await page.wait(DONE)
        await page.wait("document.querySelectorAll('.turn .retry').length === 2")
        assert model.asked == [[("user", "second?")]]
        shown = "return [...document.querySelectorAll('.retry')].map((one) => getComputedStyle(one).display !== 'none')"
        assert await page.script(shown) == [False, True]


@pytest.mark.parametrize("clipboard", ["the browser's", "none, as over plain http"])
async def test_the_answer_is_copied_as_the_model_wrote_it(browser: Any, clipboard: str) -> None:
    async with serving(Scripted(HOSTILE)) as served:
        page = Page(browser, served)
        await page.open()
        if clipboard.startswith("none"):
            await page.script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        await page.ask("what?", **PLAIN)
        await page.wait("document.querySelector('.copy')")
        await page.click(".copy")
        await page.wait("document.querySelector('.copy').textContent === 'Copied'")
        assert await page.paste() == HOSTILE


async def test_the_controls_begin_with_the_servers_own_settings(browser: Any) -> None:
    settings = ServeSettings(method="self-refine", n=3, k=2, t=2, answer="majority")
    async with serving(SimulatedModel(Simulation()), settings) as served:
        page = Page(browser, served)
        await page.open()
        values = "return ['method', 'n', 'k', 't', 'answer'].map((id) => document.getElementById(id))"
        shown = f"{values}.filter((one) => !one.closest('label').hidden).map((one) => one.value)"
        assert await page.script(shown) == ["self-refine", "3", "2"]
        await page.script(
            "for (const [id, value] of [['method', 'rsa'], ['kind', 'math']]) {"
            "const one = document.getElementById(id); one.value = value; one.dispatchEvent(new Event('change'));"
            "one.dispatchEvent(new Event('input', {bubbles: true})) }"
        )
        assert await page.script(shown) == ["rsa", "3", "2", "2", "majority"]
        assert await page.texts("#chosen") == ["rsa · N 3 · K 2 · T 2 · math · majority"]
        await page.ask("what?")
        await page.wait(DONE)
        assert len(await page.texts(".population")) == 2


async def test_the_first_population_is_told_of_while_it_is_written_and_then_the_lineage(browser: Any) -> None:
    model = Held()
    async with serving(model) as served:
        page = Page(browser, served)
        await page.open()
        await page.ask("what?", n="4", k="4", t="2", kind="math", answer="majority")
        await page.wait("document.getElementById('status').textContent.includes('no member yet')")
        model.go_on(1)
        await page.wait("document.getElementById('status').textContent.startsWith('1 of 8 members')")
        model.go_on(3)
        await page.wait("document.getElementById('status').textContent.startsWith('4 of 8 members')")
        told = "4 of 4 · agreement 50\u2009% · 28 tokens"
        assert (await page.texts(".population p"))[0] in (f"{told}{tally}" for tally in ("1 ×2, 0 ×2", "0 ×2, 1 ×2"))
        model.go_on(4)
        await page.wait("document.querySelector('.work summary').textContent.startsWith('Made by member')")
        (made,) = await page.texts(".work summary")
        assert "of population 2, from 4 of population 1" in made
        assert await page.script("return document.querySelectorAll('.cell.traced').length") == 5
        assert await page.script("return document.querySelectorAll('.lines path.parent').length") == 4


async def test_what_does_not_fit_goes_members_first_and_is_told(browser: Any) -> None:
    async with serving(Remembering()) as served:
        page = Page(browser, served)
        await page.open()
        await page.script(
            "const turn = (id, size, members) => ({id, question: id, answer: id, usage: '', note: '', state: 'done',"
            "chosen: null, needed: [1], rsa: {unseen: 'x'.repeat(size)}, members});"
            "const member = (text) => ({t: 1, i: 0, parents: [], answer: null, text, seconds: 1});"
            "localStorage.setItem('selfagg.conversation', JSON.stringify({dropped: 0, turns: ["
            "turn('a', 1_100_000, []), turn('b', 10, [member('y'.repeat(500_000))]),"
            "turn('c', 950_000, [])]}))"
        )
        await page.reload()
        await page.ready()
        await page.ask("d", **PLAIN)
        await page.wait(DONE)
        await page.reload()
        await page.wait("document.querySelectorAll('.turn .copy').length === 3")
        assert await page.texts(".asked") == ["b", "c", "d"]
        assert await page.texts("#thread > .note") == ["1 earlier turn did not fit into what this browser keeps."]
        kept = (
            "return JSON.parse(localStorage.getItem('selfagg.conversation')).turns.map((turn) => turn.members.length)"
        )
        assert await page.script(kept) == [0, 0, 1]


@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_scrolls_sideways_and_lines_of_formulas_stand_below_each_other(
    browser: Any, width: int, scheme: str
) -> None:
    async with serving(Scripted(LINES)) as served:
        page = Page(browser, served)
        await page.width(width)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        await asyncio.to_thread(browser.execute_cdp_cmd, "Emulation.setEmulatedMedia", media)
        try:
            await page.open()
            await page.ask("longwordthatdoesnotbreak" * 8, n="8", k="2", t="2", method="rsa")
            await page.wait(DONE)
            await page.wait("document.querySelectorAll('.final mtable').length === 3")
            await page.script("document.getElementById('settings').open = true")
            assert await page.script("return document.documentElement.scrollWidth") <= width
            first, second = await page.script(
                "return [...document.querySelectorAll('.final mtable mtr')].slice(0, 2)"
                ".map((row) => row.lastElementChild.getBoundingClientRect()).map(({left, top}) => [left, top])"
            )
            assert first[0] == second[0]
            assert first[1] < second[1]
            colours = (
                "const {color, backgroundColor} = getComputedStyle(document.body); return [color, backgroundColor]"
            )
            ink, paper = [sum(map(int, colour[4:-1].split(","))) for colour in await page.script(colours)]
            assert (ink > paper) == (scheme == "dark")
            await page.script("document.querySelector('.cell[data-at]').click()")
            await page.wait("document.querySelector('#reader .text mtable')")
            assert await page.script("return document.documentElement.scrollWidth") <= width
        finally:
            await asyncio.to_thread(browser.execute_cdp_cmd, "Emulation.clearDeviceMetricsOverride", {})
            await asyncio.to_thread(browser.execute_cdp_cmd, "Emulation.setEmulatedMedia", {"features": []})
