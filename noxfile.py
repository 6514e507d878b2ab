"""Every way of running the project, one session each. ``nox --list`` names them."""

from __future__ import annotations

import nox

nox.options.sessions = ["tests", "lint", "types"]
nox.options.error_on_missing_interpreters = True
nox.needs_version = ">=2024.10.9"

CONSTRAINTS = "constraints.txt"
FRAMEWORKS = ("torch", "tensorflow", "jax")
#: The tasks whose data needs no download.
OFFLINE_TASKS = ("adding", "copy", "sine", "sequential-digits")


def install(session: nox.Session, extras: str) -> None:
    """The project with these extras, at the versions that were tested."""
    session.install("-c", CONSTRAINTS, "-e", f".[{extras}]")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything, all frameworks in one environment."""
    install(session, "all,test")
    session.run("pytest", *session.posargs)


@nox.session(name="tests-numpy")
def tests_numpy(session: nox.Session) -> None:
    """With no framework installed."""
    _tests_with_only(session, "numpy")


@nox.session(name="tests-torch")
def tests_torch(session: nox.Session) -> None:
    """With PyTorch alone installed."""
    _tests_with_only(session, "torch")


@nox.session(name="tests-tensorflow")
def tests_tensorflow(session: nox.Session) -> None:
    """With TensorFlow alone installed."""
    _tests_with_only(session, "tensorflow")


@nox.session(name="tests-jax")
def tests_jax(session: nox.Session) -> None:
    """With JAX alone installed."""
    _tests_with_only(session, "jax")


def _tests_with_only(session: nox.Session, framework: str) -> None:
    install(session, f"{framework},test")
    others = [name for name in FRAMEWORKS if name != framework]
    code = f"from importlib.util import find_spec as f; found = [n for n in {others} if f(n)]; assert not found, found"
    session.run("python", "-c", code)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, and import-linter for the three floors."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strictly."""
    install(session, "test,types")
    session.run("mypy")


@nox.session
def demo(session: nox.Session) -> None:
    """The README's main job: four backends on the tasks that need no download, then the report."""
    install(session, "all")
    tasks = [word for task in OFFLINE_TASKS for word in ("--task", task)]
    session.run("harness", "run", *tasks, "--preset", "smoke", *session.posargs)
    session.run("harness", "report")


@nox.session
def report(session: nox.Session) -> None:
    """The report of the published results, made again from their records."""
    install(session, "parquet")
    session.run("harness", "report", "results/published", "--out", "results/published/report", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What the harness itself costs: its steady state against bare scripts, start-up; what denormals cost.

    Takes words that all three scripts know, such as ``-- --backend torch``.
    """
    install(session, "all")
    session.run("python", "tests/bench/overhead.py", *session.posargs)
    session.run("python", "tests/bench/startup.py", *session.posargs)
    session.run("python", "tests/bench/denormals.py", *session.posargs)


@nox.session
def targets(session: nox.Session) -> None:
    """How fast an update is against what it should be: every target in one table. ``-- --only keras --rounds 4``."""
    install(session, "all")
    session.run("python", "tests/bench/targets.py", *session.posargs)


@nox.session
def trials(session: nox.Session) -> None:
    """How often ``harness compare`` is right while something disturbs it. About an hour."""
    install(session, "all")
    session.run("python", "tests/bench/trials.py", *session.posargs)


@nox.session
def gpu(session: nox.Session) -> None:
    """All that needs a GPU: the tests, then the records. Without nox: python tests/gpu/session.py."""
    install(session, "numba,torch,jax,cuda,test")
    # of the CUDA that torch's own wheels are built for: of two majors the later cuDNN takes the other's place on disk
    session.install("-c", CONSTRAINTS, "jax[cuda13]", "cupy-cuda13x>=13.6")
    session.run("python", "tests/gpu/session.py", *session.posargs)
