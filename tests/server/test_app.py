"""The routes of the application, what it says of them, and requests made from that."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI
from serving import serving

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.settings import ServerLimits, ServeSettings

NAME = "simulated:"


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param("^/(?!v1/(responses|messages|completions)$)", id="one generates"),
        pytest.param("^/", id="all", marks=pytest.mark.slow),
    ],
)
async def test_the_open_api_schema_holds_against_requests_made_from_it(routes: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    small = ServeSettings(n=2, k=2, t=1, limits=ServerLimits(n=4, k=4, t=3))  # most requests are deliberated on
    async with serving(SimulatedModel(Simulation(tokens=20)), small) as served:
        # A schema cannot say that K is at most N, or which fields a model takes: valid forms may be refused.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json", "--max-examples=5"),
            *("--include-path-regex", routes, "--exclude-checks=positive_data_acceptance,not_a_server_error"),
            *("--phases=examples,coverage,fuzzing", "--no-color"),
            *("--seed=1", "--generation-database=none", "--suppress-health-check=all"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await asyncio.wait_for(process.communicate(), 240)
        counted = served.service.metrics.text().decode()
    assert 'status="500"' not in counted  # 502 is right where a deadline ends before any reply
    assert process.returncode == 0, told.decode()[-5000:]


async def test_models_health_metrics_and_what_is_not_there() -> None:
    async with (
        serving(SimulatedModel(Simulation())) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        names = [model.id async for model in asking.models.list()]
        assert names == [NAME, f"{NAME}:rsa-8-4-5", f"{NAME}:single"]
        assert (await asking.models.retrieve(f"{NAME}:rsa-2-2-2")).id == f"{NAME}:rsa-2-2-2"
        with pytest.raises(openai.NotFoundError):
            await asking.models.retrieve("other")
        await asking.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "what?"}])
        async with aiohttp.ClientSession(served.url) as session:
            async with session.get("/health") as health, session.get("/metrics") as metrics:
                assert (await health.json())["status"] == "ok"
                lines = (await metrics.text()).splitlines()
            async with session.get("/v1/nothing") as missing:
                assert (await missing.json())["error"]["message"] == "this server has no /v1/nothing"
                assert missing.status == 404
    assert 'selfagg_requests_total{kind="deliberation",status="200"} 1.0' in lines
    assert "selfagg_calls_in_flight 0.0" in lines
