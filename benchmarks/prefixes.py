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

from rich.table import Table

from benchmarks.printing import show
from selfagg.models import Access, Model, connect
from selfagg.models.openai.address import Credentials
from selfagg.models.openai.discovery import served_models
from selfagg.prompts import aggregation
from selfagg.run.subsets import Set, address_random, along_prefix_tree, draw_sets
from selfagg.types import Member, Question, Reply, Request, Sampling, Usage

PLANS = ((16, 4), (8, 4))
SEEDS = range(4)
PLAN_SEEDS = range(500)
REPLY_TOKENS = 4
LLAMA_SLOTS = 4
WORDS = (
    "the sum of each side is then even or odd so we take it by two and count what remains in all cases " * 2
).split()


@dataclass(frozen=True, slots=True)
class Server:
    """Where prompts are read.

    Attributes:
        name: For the table.
        model: The connection.
        candidate_tokens: Length of a candidate. A cache that counts whole blocks loses the last one of each run of
            repeated candidates and finds none shorter than a block; one that counts tokens is as well measured with
            short ones.
    """

    name: str
    model: Model
    candidate_tokens: int


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


async def measured(server: Server, order: str, n: int, k: int, seed: int) -> Served:
    """One population on a server that has none of it in its cache: question and candidates are its own."""
    model = server.model
    nonce = random.randrange(10**9)
    question = Question("q", f"Puzzle {nonce}: {text(40, nonce, order)}?", "math", gold="42")
    members = [Member(1, i, reply=Reply(text(server.candidate_tokens, nonce, seed, i))) for i in range(n)]
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


async def rows(server: Server, table: Table) -> None:
    async with server.model:
        await measured(server, "random", 2, 2, 0)  # warm
        for n, k in PLANS:
            taking_turns = [{order: await measured(server, order, n, k, seed) for order in ORDERS} for seed in SEEDS]
            random_order = cached_share([turn["random"] for turn in taking_turns])
            for order in ORDERS:
                served = [turn[order] for turn in taking_turns]
                ratio = statistics.median(turn[order].seconds / turn["random"].seconds for turn in taking_turns)
                cached = sum(run.cached for run in served) / sum(run.prompt for run in served)
                share = cached_share(served)
                times = f"{share / random_order:.1f}" if random_order else "-"
                size = f"{n}/{k}"
                table.add_row(server.name, size, order, f"{cached:.0%}", f"{share:.1%}", times, f"{ratio:.2f}")


def cached_share(served: Sequence[Served]) -> float:
    """Share of the candidate tokens that came from the cache."""
    return sum(run.repeated for run in served) / sum(run.candidates for run in served)


async def servers() -> list[Server]:
    found = [Server(f"llama.cpp, {LLAMA_SLOTS} slots", connect("local", Access(concurrency=LLAMA_SLOTS)), 128)]
    if url := os.environ.get("BENCH_BASE_URL"):
        name = (await served_models(url, Credentials(None, None)))[0].id
        found.append(Server(name, connect(f"openai:{name}", Access((url,))), 512))
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
        title=f"One population of unread prompts, {len(SEEDS)} plans",
    )
    for server in await servers():
        await rows(server, table)
    return table


def main() -> None:
    show(planned())
    show(asyncio.run(compared()))
