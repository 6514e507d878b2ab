"""A Ray cluster of two nodes on this machine, and a driver that has a study's jobs done on it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from harness.processes.slot import FOLDER
from tests.conftest import PLUGIN, python_path

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
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                if "harness.worker" in process.cmdline():
                    return process
        return None

    def die(self) -> None:
        """As a machine does: all that ran on it is gone at once."""
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                process.kill()


@dataclass
class Cluster:
    address: str
    nodes: list[Node]
    env: dict[str, str]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def cluster(folder: Path, resources: tuple[str, ...] = (SLOT, SLOT), **more: str) -> Iterator[Cluster]:
    """Two nodes, each with its own slot as two machines have; all of it is gone afterwards.

    Args:
        folder: with a short path, for Ray's sockets.
        more: variables of the nodes.
    """
    port, before = free_port(), set(psutil.pids())
    env = {
        **os.environ, "PYTHONPATH": python_path(PLUGIN), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "3", **more,
    }  # fmt: skip
    address, nodes = "", []
    try:
        for number, resource in enumerate(resources):
            words = ["--head", "--port", str(port), "--temp-dir", str(folder), "--include-dashboard", "false"]
            where = words if number == 0 else ["--address", address]
            started = subprocess.run(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *where, "--resources", resource,
                 "--num-cpus", "1", "--object-store-memory", "80000000", "--disable-usage-stats"],
                env={**env, FOLDER: str(folder / f"slots-{number}")}, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert started.returncode == 0, started.stderr + started.stdout
            raylets = _named("raylet/raylet", before)
            [raylet] = [each for each in raylets if each.pid not in {node.raylet.pid for node in nodes}]
            nodes.append(Node(raylet))
            address = f"127.0.0.1:{port}"
        yield Cluster(address, nodes, env)
    finally:
        for process in _named(str(folder), before):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _named(part: str, before: set[int]) -> list[psutil.Process]:
    """Processes that were started since, with this in their command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.pid not in before and part in " ".join(process.cmdline()):
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
