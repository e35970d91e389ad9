"""Docker and Podman: a container for each program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid

from selfagg.sandbox.base import ENVIRONMENT, GUEST, PACKAGES, ROOT, Command, Limits, package_folders, python_arguments
from selfagg.sandbox.session import probe

_NOBODY = 65534
_CLIENTS = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST")
"""The variables by which the client finds its engine; none gets into the container."""


class Container:
    """A container without network and capabilities, its file system read-only but for its own folder.

    Args:
        engine: ``docker`` or ``podman``.
        image: An image that has ``python3``, of this interpreter's version by default, so that the packages
            of this machine can be shown in it. It must be on the machine already: nothing is fetched.
    """

    limits = "memory, threads and processor are bounded by the engine's control groups, and by resource limits"

    def __init__(self, engine: str, image: str | None = None) -> None:
        version = sys.version_info
        self.name = engine
        self.image = image or f"docker.io/library/python:{version.major}.{version.minor}-slim"

    def trouble(self) -> str | None:
        if shutil.which(self.name) is None:
            return f"{self.name} is not installed"
        if not self._succeeds("info"):
            return f"{self.name} is installed but its engine does not answer"
        if not self._succeeds("image", "inspect", self.image):
            return f"{self.name} has no image {self.image} ({self.name} pull {self.image})"
        failure = probe(self)
        return failure and f"{self.name} does not work here ({failure})"

    def command(self, guest: str, limits: Limits) -> Command:
        label = f"selfagg-{uuid.uuid4().hex}"
        memory = str(limits.total_memory)
        arguments = [
            *(self.name, "run", "--rm", "--interactive", "--pull", "never", "--name", label),
            *("--network", "none", "--ipc", "none", "--read-only", "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges", "--user", f"{_NOBODY}:{_NOBODY}"),
            *("--memory", memory, "--memory-swap", memory, "--cpus", "1", "--pids-limit", str(limits.threads)),
            # Said outright, since some engines otherwise ask for more than they may have.
            *("--ulimit", f"nofile={limits.files}:{limits.files}", "--ulimit", "nproc=4096:4096"),
            *("--tmpfs", f"/tmp:rw,nosuid,nodev,size={limits.disk},mode=1777", "--workdir", "/tmp"),  # noqa: S108
            *("--volume", f"{GUEST}:{ROOT}/selfagg/sandbox/guest:ro"),
        ]
        for folder in package_folders():
            arguments += ["--volume", f"{folder}:{PACKAGES}/{folder.name}:ro"]
        for name, value in ENVIRONMENT.items():
            arguments += ["--env", f"{name}={value}"]
        arguments += [self.image, *python_arguments("python3", guest)]
        environment = {name: os.environ[name] for name in _CLIENTS if name in os.environ}
        # The client is killed like any process; the container is not its child and must be told.
        return Command(tuple(arguments), environment, count_entries=True, stop=(self.name, "rm", "--force", label))

    def _succeeds(self, *arguments: str) -> bool:
        try:
            subprocess.run((self.name, *arguments), capture_output=True, timeout=20, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return False
        return True
