"""Every way of running the project, one session each. ``nox --list`` names them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nox

nox.options.sessions = ["tests", "lint", "types"]
# A session whose Python is missing says which one. Under CI it then fails; elsewhere it is skipped.
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))
nox.needs_version = ">=2024.10.9"

CONSTRAINTS = "constraints.txt"
#: Found on PATH or among pyenv's versions; uv, where installed, downloads missing ones.
PYTHONS = ("3.11", "3.12", "3.13")
FRAMEWORKS = ("torch", "tensorflow", "jax")
#: The tasks whose data needs no download.
OFFLINE_TASKS = ("adding", "copy", "sine", "sequential-digits")


# pyenv puts only the selected versions on PATH; the others may be installed too
_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *map(str, sorted(_PYENV.glob("3.*/bin")))])


def install(session: nox.Session, extras: str) -> None:
    """The project with these extras, at the versions that were tested."""
    session.install("-c", CONSTRAINTS, "-e", f".[{extras}]")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything, all frameworks in one environment."""
    install(session, "all,rivals,test")
    session.run("pytest", *session.posargs)


def only(framework: str, *pythons: str) -> None:
    """Register the session ``tests-FRAMEWORK``, which installs no other framework; one for each of ``pythons``."""

    def run(session: nox.Session) -> None:
        install(session, f"{framework},test")
        others = [name for name in FRAMEWORKS if name != framework]
        code = f"from importlib.util import find_spec as f; had = [n for n in {others} if f(n)]; assert not had, had"
        session.run("python", "-c", code)
        session.run("pytest", *session.posargs)

    run.__doc__ = f"With {'no framework' if framework == 'numpy' else framework + ' alone'} installed."
    backend = "uv|virtualenv" if pythons else None  # uv downloads a Python that is missing
    nox.session(run, name=f"tests-{framework}", python=pythons or None, venv_backend=backend)


only("numpy", *PYTHONS)
for framework in FRAMEWORKS:
    only(framework)


@nox.session
def drills(session: nox.Session) -> None:
    """What takes too long for a test: kills at random moments, odd records and more. ``--quick`` for less."""
    install(session, "all,test")
    for script in sorted(Path("tests/drills").glob("[a-z]*.py")):
        session.run("python", str(script), *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the sdist, then the wheel from it, and test the wheel in an empty environment outside the checkout."""
    session.install("-c", CONSTRAINTS, "build")
    constraints = str(Path(CONSTRAINTS).resolve())
    with TemporaryDirectory(prefix="rnn-harness-") as folder:
        away = Path(folder).resolve()
        session.run("python", "-m", "build", "--outdir", str(away / "dist"), ".")
        (built,) = (away / "dist").glob("*.whl")
        session.run("python", "-m", "venv", str(away / "bare"))
        python = str(away / "bare" / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        session.run(python, "-m", "pip", "install", "-q", "-c", constraints, str(built), "pytest", external=True)
        shutil.copytree("tests/packaging", away / "checks")
        # nothing of the checkout may be used: no PYTHONPATH, no working folder on the path, no pytest settings
        words = (python, "-P", "-m", "pytest", "-c", os.devnull, "--rootdir", "checks", "-p", "no:cacheprovider")
        env = {"PYTHONPATH": None, "RNN_HARNESS_DIST": str(away / "dist")}
        with session.chdir(away):
            session.run(*words, "checks", *session.posargs, external=True, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, and import-linter for the floors and the rooms."""
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
    """The README's first command: four backends on the tasks that need no download, then the report."""
    install(session, "all")
    tasks = [word for task in OFFLINE_TASKS for word in ("--task", task)]
    session.run("harness", "run", *tasks, "--preset", "smoke", *session.posargs)
    session.run("harness", "report")


@nox.session
def report(session: nox.Session) -> None:
    """Regenerate the report of the published results from their records."""
    install(session, "parquet")
    title = "Published results: quick presets on CPU"
    folders = ("results/published", "--study", "quick-all", "--out", "results/published/report")
    session.run("harness", "report", *folders, "--title", title, *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """The site of the published results and studies, into results/published/site; ``-- --out FOLDER`` elsewhere."""
    install(session, "site,parquet")
    title = "Recurrent networks, measured"
    studies = sorted(map(str, Path("results/studies").glob("*.records.zip")))
    places = ("results/published", *studies)
    session.run("harness", "site", *places, "--out", "results/published/site", "--title", title, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What the harness itself costs, against bare scripts and at start-up; what denormals, many records, a site cost.

    Takes options that the first three scripts have, such as ``-- --backend torch``; the last two take ``--sizes 1000``.
    """
    install(session, "all,test")
    session.run("python", "tests/bench/overhead.py", *session.posargs)
    session.run("python", "tests/bench/startup.py", *session.posargs)
    session.run("python", "tests/bench/denormals.py", *session.posargs)
    session.run("python", "tests/bench/folders.py", *session.posargs)
    session.run("python", "tests/bench/site.py", *session.posargs)


@nox.session
def targets(session: nox.Session) -> None:
    """How fast an update is and should be: every speed target in one table. ``-- --only keras --rounds 4``."""
    install(session, "all")
    session.run("python", "tests/bench/targets.py", *session.posargs)


#: Every backend's ``auto`` and stock layer over each size; sizes and rounds are such that all take some minutes.
GROWING = (
    ("--length", "25,75,200,600,1600", "--batch", "16", "--hidden", "128"),
    ("--hidden", "16,48,128,384,1024", "--batch", "16", "--length", "50"),
    ("--batch", "1,4,32,128,512", "--hidden", "64", "--length", "100"),
    ("--threads", "1,2", "--shape", "B"),
)


@nox.session
def scaling(session: nox.Session) -> None:
    """How cost grows with length, hidden units, batch and threads: a call for each. ``-- --results FOLDER``."""
    install(session, "all")
    common = ("--backend", "all", "--variant", "auto,default", "--rounds", "8", "--block", "0.06", "--starts", "2")
    for sizes in GROWING:
        # 1: a variant that cannot compute a size has a row that says so; the other calls are still wanted
        session.run("harness", "speed", *common, *sizes, *session.posargs, success_codes=[0, 1])


@nox.session
def trials(session: nox.Session) -> None:
    """How often ``harness compare`` is right while something disturbs it. About an hour."""
    install(session, "all")
    session.run("python", "tests/bench/trials.py", *session.posargs)


@nox.session
def gpu(session: nox.Session) -> None:
    """Everything that needs a GPU: the tests, then the records. Without nox: python tests/gpu/session.py."""
    install(session, "numba,torch,jax,cuda,test")
    # of the CUDA that torch's own wheels are built for: of two majors the later cuDNN takes the other's place on disk
    session.install("-c", CONSTRAINTS, "jax[cuda13]", "cupy-cuda13x>=13.6")
    session.run("python", "tests/gpu/session.py", *session.posargs)
