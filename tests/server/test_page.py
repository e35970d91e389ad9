"""The page in a real browser: a person asks, watches and reads; what a model writes is only text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

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

    async def ask(self, question: str, **settings: str) -> None:
        for name, value in {"question": question, **settings}.items():
            await self.script("document.getElementById(arguments[0]).value = arguments[1]", name, value)
        await self.script("document.getElementById('go').click()")

    async def status(self) -> str:
        return str(await self.script("return document.getElementById('status').textContent"))

    async def complaints(self) -> list[str]:
        return [entry["message"] for entry in await asyncio.to_thread(self.browser.get_log, "browser")]


DONE = "document.getElementById('status').textContent === 'done'"


async def test_a_person_asks_watches_reads_a_member_and_its_parents(browser: Any) -> None:
    simulated = SimulatedModel(Simulation(speed=500, tokens=100, wrong=2))
    async with serving(simulated, ServeSettings(stop="never", copy=False)) as served:
        page = Page(browser, served)
        await page.open()
        await page.wait("document.getElementById('model').textContent === 'simulated:'")
        await page.ask("what?", n="4", k="2", t="3", kind="math", answer="majority")
        await page.wait("document.querySelectorAll('.cell.awaited').length > 0")
        await page.wait("document.querySelectorAll('.cell[data-member]').length > 0")
        await page.wait(DONE)
        rows = await page.script("return [...document.querySelectorAll('.population p')].map((row) => row.textContent)")
        assert len(rows) == 3
        assert all("agreement" in row and "tokens" in row for row in rows[1:])
        assert rows[2].startswith("4 of 4")
        usage = await page.script("return document.getElementById('usage').textContent")
        assert "calls" in usage
        assert await page.script("return document.querySelector('#final math') !== null")
        await page.script("document.querySelector('.cell[data-member=\"3.0\"]').click()")
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
        usage = await page.script("return document.getElementById('usage').textContent")
        assert "by estimate" in usage
        await page.script("document.querySelector('.cell[data-member]').click()")
        await page.wait("document.querySelector('#reader').textContent.includes('tokens not told by the server')")
        assert await page.complaints() == []


async def test_what_a_model_writes_is_only_text_and_its_mathematics_is_typeset(browser: Any) -> None:
    async with serving(Scripted(HOSTILE)) as served:
        page = Page(browser, served)
        await page.open()
        await page.ask("<b>what?</b>", n="2", k="1", t="2")
        await page.wait(DONE)
        await page.script("document.querySelector('.cell[data-member]').click()")
        await page.wait("document.querySelector('#reader .text math')")
        assert await page.script("return document.querySelector('#final mfrac') !== null")
        assert await page.script("return document.querySelectorAll('img, iframe, a[href], #final script').length") == 0
        assert await page.script("return window.hacked === undefined")
        assert "window.hacked = 1" in await page.script("return document.getElementById('final').textContent")
        assert await page.complaints() == []


async def test_stopping_ends_the_work_and_errors_are_told(browser: Any) -> None:
    async with serving(SimulatedModel(Simulation(speed=10, tokens=100))) as served:
        page = Page(browser, served)
        await page.open()
        await page.ask("what?")
        await until(lambda: served.service.call_limiter.inside > 0, 5)
        await page.script("document.getElementById('stop').click()")
        await until(lambda: served.service.call_limiter.inside == 0)
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
