"""Ray clusters on this machine, and studies for engines."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from harness.processes.slot import FOLDER
from tests.conftest import PLUGIN, python_path
from tests.workers import workers_of

Found = TypeVar("Found")
SLOT = '{"harness-slot": 1}'


@dataclass
class Node:
    """A node of the cluster: what was started for it."""

    raylet: psutil.Process

    def tree(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [self.raylet, *self.raylet.children(recursive=True)]
        return []

    def worker(self) -> psutil.Process | None:
        """The worker of the run on this node, if there is one now."""
        return next(iter(workers_of(self.tree())), None)

    def die(self) -> None:
        """As a machine does: all that ran on it is gone at once."""
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                process.kill()


@dataclass
class Cluster:
    """Nodes on this machine, each with its own slot as two machines have."""

    folder: Path
    address: str
    env: dict[str, str]
    before: set[int]
    nodes: list[Node] = field(default_factory=list)

    def add(self, resources: str = SLOT) -> Node:
        """Start a node, the first one as the head."""
        head = [
            "--head", "--port", self.address.rpartition(":")[2], "--temp-dir", str(self.folder), "--include-dashboard",
            "false",
        ]  # fmt: skip
        started = subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", "start",
             *(["--address", self.address] if self.nodes else head), "--resources", resources, "--num-cpus", "1",
             "--object-store-memory", "80000000", "--disable-usage-stats"],
            env={**self.env, FOLDER: str(self.folder / f"slots-{len(self.nodes)}")},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert started.returncode == 0, started.stderr + started.stdout
        known = {node.raylet.pid for node in self.nodes}
        [raylet] = [each for each in _named("raylet/raylet", self.before, self.folder) if each.pid not in known]
        self.nodes.append(Node(raylet))
        return self.nodes[-1]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def cluster(folder: Path, **more: str) -> Iterator[Cluster]:
    """A cluster without nodes yet; all that is started for it is gone afterwards.

    Args:
        folder: with a short path, for Ray's sockets.
        more: variables of the nodes.
    """
    env = {
        **os.environ, "PYTHONPATH": python_path(PLUGIN), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "3", **more,
    }  # fmt: skip
    made = Cluster(folder, f"127.0.0.1:{free_port()}", env, set(psutil.pids()))
    try:
        yield made
    finally:
        for process in _named("", made.before, folder):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _named(part: str, before: set[int], folder: Path) -> list[psutil.Process]:
    """Processes of this cluster, started since, with this in their command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            words = " ".join(process.cmdline())
            if process.pid not in before and part in words and str(folder) in words:
                found.append(process)
    return found


def waited_for(what: Callable[[], Found | None], within: float = 40) -> Found:
    """The first true answer."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s")


def study_in(folder: Path, count: int, variant: str = "good", steps: int = 30) -> Path:
    """A study of so many runs, whose records go to the folder ``results`` beside it."""
    path = folder / "study.toml"
    path.write_text(
        f'name = "mine"\nresults = "results"\n[fixed]\nbackend = "madeup"\ntask = "echo"\nvariant = "{variant}"\n'
        f'steps = {steps}\nthreads = 1\n[axes]\nseed = "0-{count - 1}"\n'
    )
    return path
