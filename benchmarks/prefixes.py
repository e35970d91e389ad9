"""What a server's prefix cache serves of a population's aggregations, by the order in which each lists its candidates.

The candidates are made-up text of a fixed length; the sets, the words around the candidates and the client are those of
a run. Replies are kept to a few tokens, so the times are those of reading prompts. The orders: as drawn (the paper's),
by the candidates' numbers (for comparison alone), and along the prefix tree (``--order prefix``).

The servers: llama.cpp with the embedded model, started here; and the server that BENCH_BASE_URL names, vLLM say.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from selfagg.engine.sets import Set, address_random, along_prefix_tree, draw_sets
from selfagg.models import Access, Model, connect
from selfagg.models.openai_discovery import served_models
from selfagg.models.openai_server import read_key
from selfagg.prompts import aggregation
from selfagg.types import Member, Question, Reply, Request, Sampling, Usage

PLANS = ((16, 4), (8, 4))
SEEDS = range(1)
PLAN_SEEDS = range(500)
CANDIDATE_TOKENS = 512
"""Several blocks of 128 tokens, which is what vLLM caches by on a CPU (16 on a GPU): of each run of repeated candidates
the last block is lost, and a candidate shorter than a block is never found."""
REPLY_TOKENS = 4
LLAMA_SLOTS = 4
WORDS = (
    "the sum of each side is then even or odd so we take it by two and count what remains in all cases " * 2
).split()

Order = Callable[[list[Set]], list[Set]]
ORDERS: dict[str, Order] = {
    "random": lambda sets: sets,
    "sorted": lambda sets: [tuple(sorted(members)) for members in sets],
    "prefix tree": along_prefix_tree,
}


@dataclass(frozen=True, slots=True)
class Served:
    """What a server did with one population's prompts, or several.

    Attributes:
        seconds: From the first call to the last reply.
        prompt: Tokens of all prompts.
        cached: Those that came from the cache.
        candidates: Candidate tokens among the prompts', and
        repeated: how many of these came from the cache.
    """

    seconds: float
    prompt: int
    cached: int
    candidates: int
    repeated: int


def repeated_blocks(sets: Sequence[Set]) -> float:
    """Share of the candidates that stand where an earlier prompt of the population has them too, with all before."""
    prefixes = [members[: place + 1] for members in sets for place in range(len(members))]
    return 1 - len(set(prefixes)) / len(prefixes)


def text(tokens: int, *address: object) -> str:
    """Words that no other address has in this order; in the vocabularies tried, a token each."""
    chance = address_random(*address)
    return " ".join(chance.choice(WORDS) for _ in range(tokens))


async def measured(model: Model, order: str, n: int, k: int, seed: int) -> Served:
    """One population on a server that has none of it in its cache: question and candidates are its own."""
    nonce = random.randrange(10**9)
    question = Question("q", f"Puzzle {nonce}: {text(40, nonce, order)}?", "math", gold="42")
    members = [Member(1, i, reply=Reply(text(CANDIDATE_TOKENS, nonce, seed, i))) for i in range(n)]
    prompts = [
        aggregation(question, [members[i] for i in listed]).messages([members[i].text for i in listed])
        for listed in ORDERS[order](draw_sets(seed, "q", 2, n=n, k=k))
    ]
    bare = await model.count_tokens(aggregation(question, members[:k]).messages([""] * k))
    before = await model.count_tokens([{"role": "user", "content": prompts[0][0]["content"].split("[Candidate 1]")[0]}])
    places = asyncio.Semaphore(model.concurrency)

    async def one(place: int) -> Usage:
        async with places:
            sampling = Sampling(max_tokens=REPLY_TOKENS)
            return (await model.sample(Request(prompts[place], sampling, seed=place, question=question))).usage

    begun = time.perf_counter()
    usages = await asyncio.gather(*map(one, range(n)))
    return Served(
        time.perf_counter() - begun,
        sum(usage.prompt for usage in usages),
        sum(usage.cached for usage in usages),
        sum(usage.prompt - bare for usage in usages),
        sum(max(0, usage.cached - before) for usage in usages),
    )


async def rows(model: Model, table: Table, server: str) -> None:
    async with model:
        await measured(model, "random", 2, 2, 0)  # warm
        for n, k in PLANS:
            runs = {order: [await measured(model, order, n, k, seed) for seed in SEEDS] for order in ORDERS}
            for order, served in runs.items():
                ratio = statistics.median(a.seconds / b.seconds for a, b in zip(served, runs["random"], strict=True))
                cached = sum(run.cached for run in served) / sum(run.prompt for run in served)
                share, base = (
                    sum(r.repeated for r in many) / sum(r.candidates for r in many) for many in (served, runs["random"])
                )
                times = f"{share / base:.1f}" if base else "-"
                table.add_row(server, f"{n}/{k}", order, f"{cached:.0%}", f"{share:.1%}", times, f"{ratio:.2f}")


async def servers() -> list[tuple[str, Model]]:
    found: list[tuple[str, Model]] = [
        (f"llama.cpp, {LLAMA_SLOTS} slots", connect("local", Access(concurrency=LLAMA_SLOTS)))
    ]
    if url := os.environ.get("BENCH_BASE_URL"):
        name = (await served_models(url, read_key(None, None)))[0].id
        found.append((f"{name} at BENCH_BASE_URL", connect(f"openai:{name}", Access((url,)))))
    return found


def planned() -> Table:
    table = Table("N/K", *ORDERS, title="Candidates that repeat a prefix of another prompt, counted on the sets alone")
    for n, k in PLANS:
        shares = [
            statistics.fmean(repeated_blocks(order(draw_sets(seed, "q", 2, n=n, k=k))) for seed in PLAN_SEEDS)
            for order in ORDERS.values()
        ]
        table.add_row(f"{n}/{k}", *(f"{share:.1%}" for share in shares))
    return table


async def compared() -> Table:
    table = Table(
        "server",
        "N/K",
        "order",
        "prompt cached",
        "candidates cached",
        "x random",
        "time / random",
        title=f"One population, candidates of {CANDIDATE_TOKENS} tokens, {len(SEEDS)} plan each",
    )
    for name, model in await servers():
        await rows(model, table, name)
    return table


def main() -> None:
    console = Console()
    console.print(planned())
    console.print(asyncio.run(compared()))
