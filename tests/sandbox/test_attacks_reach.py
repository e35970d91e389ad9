"""Programs that try to reach what is outside the sandbox. Each prints ESCAPED if it gets there."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import os
import socket
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from waiting import until

import selfagg
from selfagg.sandbox import Limits, ProgramResult, Sandbox, load_program

SECRET = "the-secret-of-the-host"


async def run(sandbox: Sandbox, code: str, limits: Limits, stdin: str = "") -> ProgramResult:
    async with load_program(sandbox, textwrap.dedent(code), limits) as program:
        return await program.run(stdin)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    for path_to_it in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path_to_it.chmod(0o755)  # so that it is the sandbox that hides it, not its mode
    return path


async def test_what_an_escape_looks_like(sandbox: Sandbox, limits: Limits) -> None:
    outcome = await run(sandbox, "print('ESCAPED', input())", limits, "now")
    assert outcome == ProgramResult(output="ESCAPED now\n")


READS = {
    "by its path": "print(open(sys.argv[1]).read())",
    "through /proc/1/root": "print(open('/proc/1/root' + sys.argv[1]).read())",
    "through the parent's folder": "print(open(f'/proc/{os.getppid()}/cwd/../..' + sys.argv[1]).read())",
    "through a symbolic link": "os.symlink(sys.argv[1], 'link'); print(open('link').read())",
    "through a hard link": "os.link(sys.argv[1], 'link'); print(open('link').read())",
    "through an open descriptor": "print([os.read(n, 99) for n in range(3, 64)])",
    "by walking up": "print(open('../' * 20 + sys.argv[1]).read())",
    "by exec": "os.execv('/bin/cat', ['cat', sys.argv[1]])",
}


async def test_cannot_read_a_file_of_the_host(attack: Any, limits: Limits, secret: Path) -> None:
    results = await attack(READS, limits, f"import os, sys\nsys.argv = ['', {str(secret)!r}]\n{{attack}}")
    assert [how for how, result in results.items() if result.failure is None or SECRET in result.output] == []


async def test_cannot_see_the_system(sandbox: Sandbox, limits: Limits) -> None:
    paths = ["/etc/passwd", "/etc/shadow", "/etc/hostname", "/home", "/var", "/sys", "/bin", "/run"]
    paths.append(str(Path.home() / ".bashrc"))
    code = f"import os\nprint([path for path in {paths!r} if os.path.lexists(path)])"
    assert await run(sandbox, code, limits) == ProgramResult("[]\n")


async def test_cannot_see_selfagg_or_its_packages(sandbox: Sandbox, limits: Limits) -> None:
    code = f"""
        import os
        for path in {[str(Path(selfagg.__file__)), str(Path(pytest.__file__)), *sys.path[1:3]]!r}:
            if os.path.isfile(path): print("ESCAPED", path)
        try:
            import openai
            print("ESCAPED")
        except ImportError:
            pass
    """
    assert await run(sandbox, code, limits) == ProgramResult()


async def test_cannot_read_keys_in_the_environment(
    sandbox: Sandbox, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    code = """
        import glob, os
        print(dict(os.environ))
        for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
            try:
                print(open(path).read())
            except OSError:
                pass
    """
    outcome = await run(sandbox, code, limits)
    assert outcome.failure is None
    assert SECRET not in outcome.output
    assert "OPENAI" not in outcome.output


async def test_cannot_reach_the_network(attack: Any, limits: Limits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        form = f"""
            import socket
            try:
                s = socket.socket(socket.{{attack}})
                s.connect(("127.0.0.1", {server.getsockname()[1]}))
                print("ESCAPED")
            except OSError:
                print("refused")
        """
        families = {family: family for family in ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK")}
        assert await attack(families, limits, form) == dict.fromkeys(families, ProgramResult("refused\n"))


async def test_sees_no_processes(sandbox: Sandbox, limits: Limits) -> None:
    code = "import os; print(os.path.lexists('/proc'), os.path.lexists('/sys'), os.listdir('/dev'))"
    devices = ["null", "random", "stderr", "stdin", "stdout", "urandom", "zero"]
    outcome = await run(sandbox, code, limits)
    assert outcome.output.startswith("False False ")
    assert sorted(ast.literal_eval(outcome.output.removeprefix("False False "))) == devices


async def test_cannot_write_outside_its_folder(sandbox: Sandbox, limits: Limits) -> None:
    code = """
        import os, sys
        folders = ["/", "/dev", "/guest", "/guest/selfagg/sandbox/guest", "/proc", "/proc/sys/kernel", "/packages",
                   "/usr", "/usr/lib", os.path.dirname(os.__file__), os.path.dirname(sys.executable)]
        for folder in folders:
            try:
                open(folder + "/new", "w").close()
                print("ESCAPED", folder)
            except OSError:
                pass
        for path in ["/guest/selfagg/sandbox/guest/worker.py", os.__file__, "/proc/sys/kernel/core_pattern",
                     "/proc/sys/vm/overcommit_memory"]:
            try:
                open(path, "r+").write("x")
                print("ESCAPED", path)
            except OSError:
                pass
    """
    assert await run(sandbox, code, limits) == ProgramResult()


CALLS = {
    "ptrace of the worker": "libc.ptrace(16, os.getppid(), 0, 0)",
    "ptrace of the first process": "libc.ptrace(16, 1, 0, 0)",
    "mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "a user namespace": "libc.unshare(0x10000000)",
    "another's namespace": "libc.setns(os.open('/proc/1/ns/mnt', os.O_RDONLY), 0)",
    "chroot": "libc.chroot(b'/')",
    "becoming root": "os.setuid(0)",
    "a device file": "os.mknod('disk', 0o60600, os.makedev(8, 0))",
    "shared memory": "libc.shmget(0, 1 << 20, 0o1600)",
    "memory in a file": "os.memfd_create('x')",
    "kernel keys": "libc.syscall(250, 0, 0)",
    "io_uring": "libc.syscall(425, 1, 0)",
    "the worker's memory": "os.pwrite(os.open(f'/proc/{os.getppid()}/mem', os.O_RDWR), b'x', 4096)",
    "the worker's descriptors": "os.listdir(f'/proc/{os.getppid()}/fd')",
    "all processors": "os.sched_setaffinity(0, range(os.cpu_count()))",
    "a new process": "os.fork()",
    "a new process by vfork": "__import__('subprocess').run(['/bin/true'])",
    "more processor time": "resource.setrlimit(resource.RLIMIT_CPU, (100, 100))",
    "more memory": "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
}


async def test_is_refused(attack: Any, limits: Limits) -> None:
    form = """
        import ctypes, os, resource
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            result = {attack}
        except (OSError, ValueError) as error:
            print("refused")
        else:
            print("refused" if result == -1 else "ESCAPED")
    """
    assert await attack(CALLS, limits, form) == dict.fromkeys(CALLS, ProgramResult("refused\n"))


async def test_cannot_kill_anyone(sandbox: Sandbox, limits: Limits) -> None:
    code = """
        import os, signal
        for pid in (os.getppid(), 1, 0, -1, -os.getppid()):
            try:
                os.kill(pid, signal.SIGKILL)
                print("ESCAPED", pid)
            except OSError:
                pass
        print("alive")
    """
    async with load_program(sandbox, textwrap.dedent(code), limits) as program:
        assert (await program.run("")).output == "alive\n"
        assert (await program.run("")).output == "alive\n"


async def test_leaves_nothing_for_the_next_run(sandbox: Sandbox, limits: Limits) -> None:
    code = """
        import os
        print(os.listdir("."))
        os.makedirs("a/b"); open("a/b/c", "w").close(); os.symlink("/", "root"); os.mkfifo("pipe")
    """
    async with load_program(sandbox, textwrap.dedent(code), limits) as program:
        assert [(await program.run("")).output for _ in range(3)] == ["[]\n"] * 3


LEFT_BEHIND = {
    "a folder that may not be read": "os.makedirs('a/b/c'); os.chmod('a/b', 0); os.chmod('a', 0)",
    "its own folder closed": "os.makedirs('x'); os.chmod('.', 0); os.chmod('..', 0)",
    "another in the place of its folder": "os.rename('../tmp', '../x'); open('../tmp', 'w').close()",
    "a link in the place of its folder": "os.rename('../tmp', '../x'); os.symlink('/', '../tmp')",
    "no streams": "[os.unlink('../' + x) for x in ('stdin', 'stdout', 'stderr', 'value')]",
    "other streams": "os.unlink('../stdout'); os.symlink('/dev/null', '../stdout'); os.mkdir('../value2')",
    "names of the worker's": "[os.makedirs(f'../emptied{n}/a/b') for n in range(9)]",
    "a name that is no text": "os.mkdir(b'\\xff'); open(b'\\xff/\\xfe', 'w').close()",
    "depth": "for n in range(400): os.mkdir('x' * 200); os.chdir('x' * 200)",
}


async def test_the_next_run_finds_an_empty_folder(sandbox: Sandbox, limits: Limits) -> None:
    code = f"""
import os
what = input()
print(os.listdir('.'), sorted(os.listdir('..')), what, oct(os.stat('.').st_mode & 0o777))
exec({LEFT_BEHIND!r}[what])
"""
    async with load_program(sandbox, code, limits) as program:
        for what in [*LEFT_BEHIND, *LEFT_BEHIND]:
            found = f"[] ['stderr', 'stdin', 'stdout', 'tmp', 'value'] {what} 0o755\n"
            assert (await program.run(what)).output == found


async def test_sees_no_package_and_writes_nowhere_else(sandbox: Sandbox, limits: Limits) -> None:
    code = """
        import os, sys
        for folder, folders, files in os.walk("/"):
            if folder.endswith(("site-packages", "dist-packages")) and folders + files: print("ESCAPED", folder)
            if any("humaneval" in name.lower().replace("_", "") for name in files): print("ESCAPED", folder)
            try:
                os.close(os.open(folder + "/new", os.O_CREAT | os.O_WRONLY))
                print(folder)
            except OSError:
                pass
    """
    outcome = await run(sandbox, code, replace(limits, seconds=10))
    assert outcome == ProgramResult("/box\n/box/tmp\n")


def names_itself(name: str) -> str:
    """A program that says its name to the host's process list, and hangs."""
    return f"import ctypes, time\nctypes.CDLL(None).prctl(15, {name.encode()!r})\ntime.sleep(60)"


def running(name: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == name:
                return True
    return False


async def test_is_gone_when_the_run_is_cancelled(sandbox: Sandbox) -> None:
    name = f"hangs{os.getpid()}"
    task = asyncio.create_task(run(sandbox, names_itself(name), Limits(seconds=60)))
    await until(lambda: running(name))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: not running(name))


@pytest.mark.usefixtures("sandbox")
async def test_is_gone_when_selfagg_is_killed() -> None:
    name = f"killed{os.getpid()}"
    host = f"""
import asyncio
from selfagg.sandbox import Limits, choose_sandbox, load_program
async def main():
    async with load_program(choose_sandbox("bubblewrap"), {names_itself(name)!r}, Limits(seconds=60)) as program:
        await program.run("")
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", host)
    await until(lambda: running(name))
    process.kill()
    await process.wait()
    await until(lambda: not running(name))
