"""The ``harness`` command: words in, exit status out. Everything heavy is imported when a command needs it.

Exit status: 0 all well, 1 at least one run or record was not, 2 wrong usage.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from harness.compare import Accuracy
    from harness.records import Record
    from harness.spec import RunSpec
    from harness.store import Found

OK, NOT_OK, USAGE = 0, 1, 2
DEFAULT_RESULTS = Path("results/local")

app = typer.Typer(
    name="harness",
    help="Recurrent networks in NumPy, PyTorch, TensorFlow and JAX: one spec, one clock, one table.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Folders = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders of records, or single records.  [default: results/local]", show_default=False),
]


def fail(message: object, status: int = USAGE) -> NoReturn:
    """One line on standard error, and out."""
    typer.echo(f"harness: {message}", err=True)
    raise typer.Exit(status)


@app.command()
def run(
    backend: Annotated[
        list[str], typer.Option("--backend", help="Backend, torch@2.13.0 for a version, or all. Repeatable.")
    ] = ["all"],  # noqa: B006
    task: Annotated[list[str], typer.Option("--task", help="Task, or all. Repeatable.")] = ["adding"],  # noqa: B006
    cell: Annotated[list[str], typer.Option("--cell", help="Cell, or all. Repeatable.")] = ["lstm"],  # noqa: B006
    preset: Annotated[str, typer.Option(help="The task's sizes: smoke, quick or paper.")] = "smoke",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-P", "--parameter", metavar="NAME=VALUE", help="Task parameter. Repeatable."),
    ] = None,
    hidden: Annotated[int | None, typer.Option(help="Hidden units per layer and direction.")] = None,
    layers: Annotated[int | None, typer.Option(help="Recurrent layers.")] = None,
    bidirectional: Annotated[bool, typer.Option("--bidirectional", help="Read the sequence both ways.")] = False,
    batch: Annotated[int | None, typer.Option(help="Sequences per update.")] = None,
    steps: Annotated[int | None, typer.Option(help="Updates.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, rmsprop or sgd.")] = None,
    clip: Annotated[float | None, typer.Option(help="Global gradient norm; 0 for no clipping.")] = None,
    init: Annotated[str | None, typer.Option(help="Recurrent weights: orthogonal, glorot or uniform.")] = None,
    input_init: Annotated[str | None, typer.Option(help="Other weights: orthogonal, glorot or uniform.")] = None,
    forget_bias: Annotated[float | None, typer.Option(help="Initial forget-gate bias.")] = None,
    chrono: Annotated[int | None, typer.Option(metavar="T_MAX", help="Chrono initialisation.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="Seed. Repeatable.  [default: 0]")] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N|LIST", help="So many seeds from 0 on, or a list: 0,3,7.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option("--device", help="cpu or cuda. Repeatable.  [default: cpu]")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="How the backend computes the cell; auto is the fastest; all.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="float32 (IEEE), float64, tf32 (CUDA) or bfloat16.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads and CPUs of a run.  [default: 2]")] = None,
    denormals: Annotated[str | None, typer.Option(help="flush or keep.")] = None,
    deterministic: Annotated[
        bool | None,
        typer.Option("--deterministic/--no-deterministic", help="Ask for deterministic kernels.  [default: yes]"),
    ] = None,
    score_at: Annotated[str | None, typer.Option(help="final or best-validation.")] = None,
    evaluate_every: Annotated[int | None, typer.Option(help="Updates between evaluations.")] = None,
    chunk: Annotated[int | None, typer.Option(help="Updates per timed block.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that one run may take.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds mnist/.", envvar="HARNESS_DATA")] = None,
    results: Annotated[Path, typer.Option(help="Folder for the records.")] = DEFAULT_RESULTS,
    json_lines: Annotated[bool, typer.Option("--json", help="Records as JSON lines on standard output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Train and measure: every backend, task, cell and seed asked for, each in a process of its own."""
    options = dict(locals())
    from harness.plan import UsageError, by_version, plan, request
    from harness.session import print_plan, run_all
    from harness.store import Store, StoreError

    if data is not None:
        os.environ["HARNESS_DATA"] = str(data.expanduser().resolve())
    store = Store(results)
    try:
        specs = plan(request(options))
        if dry_run:
            print_plan(specs, json_lines)
            return
        store.prepare()
    except (UsageError, StoreError) as error:
        fail(error)
    raise typer.Exit(OK if run_all(specs, store, timeout, json_lines, by_version(backend)) else NOT_OK)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def compare(
    context: typer.Context,
    a: Annotated[str | None, typer.Option("--a", metavar="WORDS", help='As for run: "--backend torch".')] = None,
    b: Annotated[str | None, typer.Option("--b", metavar="WORDS", help='Likewise: "--backend jax".')] = None,
    against: Annotated[
        Path | None, typer.Option(help="Recorded runs that those named are held against: exit status 1 if worse.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="SHARE", help="With --against: change that is let pass; 0.05 is 5 %.")
    ] = 0.05,
    pairs: Annotated[int, typer.Option(help="Pairs of blocks, in all.")] = 160,
    restarts: Annotated[int, typer.Option(help="Pairs of processes that they come from.")] = 8,
    block: Annotated[float, typer.Option(metavar="SECONDS", help="What a block should take.")] = 0.1,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that a pair of processes may take.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="The comparison as JSON on standard output.")] = False,
) -> None:
    """Which of two specs is faster: --a WORDS --b WORDS, both alive, in turns; other options are run's, for both.

    Or, of runs that are recorded already: compare RECORD RECORD, compare FOLDER --against FOLDER.
    """
    from dataclasses import asdict

    from rich.console import Console

    from harness import compare as comparing
    from harness.channel import TimedOut
    from harness.plan import UsageError
    from harness.progress import line
    from harness.session import terminated_as_interrupted

    if a is None or b is None:
        if a is not None or b is not None:
            fail("compare needs both --a and --b")
        _compare_recorded([Path(word) for word in context.args], against, tolerance, json_lines)
    if against is not None:
        fail("--against is for recorded runs: compare FOLDER --against FOLDER")
    try:
        effort = comparing.Effort(pairs, restarts, block, timeout)
        sides = [_specs_of(side, words, context.args) for side, words in (("A", a), ("B", b))]
        comparing.same_seeds(*sides)
        stderr = Console(stderr=True)
        with terminated_as_interrupted():
            with line(stderr) as tell:
                found = comparing.compare(sides[0][0], sides[1][0], effort, tell)
            learned = _accuracy(sides, timeout, stderr) if len(sides[0]) > 1 else None
    except UsageError as error:
        fail(error)
    except comparing.CannotCompare as error:
        fail(error, NOT_OK)
    except TimedOut:
        fail(f"not finished after {timeout:g} s (--timeout)", NOT_OK)
    if json_lines:
        import json

        typer.echo(json.dumps({"a": a, "b": b, **asdict(found), "accuracy": learned and asdict(learned)}))
        return
    for side, words, variant in zip("AB", (a, b), found.variants, strict=True):
        typer.echo(f"{side}: {words} ({variant})")
    if learned is not None:
        typer.echo(learned.sentence())
    typer.echo("\n".join(found.lines()))


def _accuracy(sides: list[list[RunSpec]], timeout: float | None, stderr: Console) -> Accuracy:
    """Whole runs of both sides, seed by seed."""
    from harness.compare import accuracy
    from harness.progress import bar
    from harness.supervise import execute

    runs: tuple[list[Record], list[Record]] = ([], [])
    for number, pair in enumerate(zip(*sides, strict=True), 1):
        for spec, records in zip(pair, runs, strict=True):
            with bar(spec, f"[seed {number}/{len(sides[0])}]", stderr) as on_progress:
                records.append(execute(spec, timeout, on_progress))
    return accuracy(*runs)


def _compare_recorded(places: list[Path], against: Path | None, tolerance: float, json_lines: bool) -> NoReturn:
    """Two records, or two sets of them; exits."""
    import json
    from dataclasses import asdict

    from harness import regression
    from harness.plan import UsageError
    from harness.store import StoreError, read_record

    if not places or (against is None and len(places) != 2):
        fail("compare takes --a WORDS --b WORDS, or RECORD RECORD, or FOLDER --against FOLDER")
    try:
        if against is None:
            a, b = map(read_record, places)
            row, differ = regression.pair(a, b)
            if json_lines:
                typer.echo(json.dumps({"a": a.id, "b": b.id, "differ": differ, **asdict(row)}))
            else:
                typer.echo("\n".join(regression.sentences(a, b, row, differ)))
            raise typer.Exit(OK)
        found = regression.against(_read([against]).records, _read(places).records, tolerance)
    except UsageError as error:
        fail(error)
    except StoreError as error:
        fail(error, NOT_OK)
    if json_lines:
        typer.echo(json.dumps(asdict(found)))
    else:
        _print_table(regression.table(found))
        typer.echo("\n".join(regression.closing(found)))
    raise typer.Exit(NOT_OK if found.worse else OK)


def _print_table(shown: Any) -> None:
    """As wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    console = Console()
    (console if console.is_terminal else Console(width=140)).print(shown)


def _specs_of(side: str, words: str, common: list[str]) -> list[RunSpec]:
    """What the words of a side name: one spec, or one for each of its seeds. Raises UsageError."""
    import shlex

    from harness.compare import by_seed
    from harness.plan import UsageError, plan, request

    try:
        more = shlex.split(words)
    except ValueError as error:
        raise UsageError(f"{side}: {words!r} is no line of words: {error}") from None
    return by_seed(side, plan(request(_run_options([*common, *more], f"{side}: "))))


def _run_options(words: list[str], prefix: str = "") -> dict[str, Any]:
    """The options of ``harness run`` in ``words``. Raises UsageError, its line starting with ``prefix``."""
    from harness.plan import UsageError

    commands: Any = getattr(typer.main.get_command(app), "commands", {})
    try:
        options: dict[str, Any] = commands["run"].make_context("run", words).params
    except Exception as error:
        # click's, which some versions of typer bring as a module of their own
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(f"{prefix}{error.format_message()}") from None
    return options


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def parity(
    context: typer.Context,
    updates: Annotated[int, typer.Option(min=1, max=1000, help="After which parameters are compared.")] = 10,
    drift: Annotated[int, typer.Option(min=0, max=100_000, help="Updates over which the curves are followed.")] = 100,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that one backend may take.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="A JSON line per variant and precision.")] = False,
) -> None:
    """Where every backend and variant agrees with the float64 reference: loss, gradients, parameters, curves.

    Other options are run's: --task copy --cell gru --hidden 32; --precision all compares all that a device has.
    Exit status 1 where any disagrees.
    """
    from harness import parity as parities
    from harness.plan import UsageError, plan, request
    from harness.session import terminated_as_interrupted

    try:
        options = _run_options(context.args)
        precisions = [options["precision"]] if options["precision"] else ["float64", "float32"]
        if precisions == ["all"]:
            options["precision"] = None
        specs = parities.small(plan(request(options)), options["batch"])
    except UsageError as error:
        fail(error)
    with terminated_as_interrupted():
        found = parities.measure(specs, updates, drift, precisions, timeout, json_lines)
    if not json_lines:
        _print_table(parities.table(found))
        typer.echo("\n".join(parities.closing(found)))
    raise typer.Exit(OK if parities.agree(found) else NOT_OK)


@app.command()
def speed(
    backend: Annotated[list[str], typer.Option("--backend", help="Backends, or all.")] = ["all"],  # noqa: B006
    variant: Annotated[list[str], typer.Option("--variant", help="Variants, auto or all.")] = ["auto"],  # noqa: B006
    cell: Annotated[list[str], typer.Option("--cell", help="Cells, or all.")] = ["lstm"],  # noqa: B006
    shape: Annotated[
        list[str] | None, typer.Option("--shape", help="Named shapes: A to F, all, braun-…, braun.")
    ] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", metavar="N,…", help="Sequences per update.")] = None,
    length: Annotated[list[str] | None, typer.Option("--length", metavar="N,…", help="Steps of a sequence.")] = None,
    features: Annotated[list[str] | None, typer.Option("--features", metavar="N,…", help="Inputs per step.")] = None,
    hidden: Annotated[list[str] | None, typer.Option("--hidden", metavar="N,…", help="Hidden units.")] = None,
    layers: Annotated[list[str] | None, typer.Option("--layers", metavar="N,…", help="Recurrent layers.")] = None,
    bidirectional: Annotated[bool, typer.Option("--bidirectional", help="Read the sequence both ways.")] = False,
    outputs: Annotated[int | None, typer.Option(help="Numbers or classes that are read out.")] = None,
    loss: Annotated[str | None, typer.Option(help="mse, cross-entropy or ctc.")] = None,
    labels: Annotated[int | None, typer.Option(help="Labels of each sequence, for ctc.")] = None,
    shortest: Annotated[int | None, typer.Option(help="Shortest sequence; lengths vary from it to --length.")] = None,
    readout: Annotated[str | None, typer.Option(help="last or every step.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, rmsprop or sgd.")] = None,
    device: Annotated[list[str], typer.Option("--device", help="cpu, cuda, or both: cpu,cuda.")] = ["cpu"],  # noqa: B006
    precision: Annotated[str | None, typer.Option(help="float32 (IEEE), float64, tf32 (CUDA) or bfloat16.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads and CPUs of each worker.  [default: 2]")] = None,
    denormals: Annotated[str | None, typer.Option(help="flush or keep.")] = None,
    deterministic: Annotated[
        bool | None,
        typer.Option("--deterministic/--no-deterministic", help="Ask for deterministic kernels.  [default: yes]"),
    ] = None,
    chunk: Annotated[int | None, typer.Option(help="Updates handed over at once.  [default: 8]")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the data and the initial parameters.")] = None,
    rounds: Annotated[int, typer.Option(help="Turns that each contestant takes.")] = 20,
    block: Annotated[float, typer.Option(metavar="SECONDS", help="What a turn should take.")] = 0.25,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that one shape may take.")] = None,
    starts: Annotated[int, typer.Option(help="Contestants that get ready at a time; they share CPUs.")] = 1,
    ready: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="What a contestant may take to get ready.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder for the record.")] = DEFAULT_RESULTS,
    out: Annotated[Path | None, typer.Option(help="Folder for the plots.  [default: plots/ in --results]")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="The record as JSON on standard output.")] = False,
) -> None:
    """Throughput without a task: live workers take turns on random data. Values may be lists: --length 50,100."""
    from harness.plan import UsageError
    from harness.speed import SpeedRequest, plan
    from harness.speedrun import Settings, measure
    from harness.store import Store, StoreError

    request = SpeedRequest(
        backends=backend,
        variants=variant,
        cells=cell,
        devices=device,
        shapes=shape or [],
        sizes={
            "batch": batch or [], "length": length or [], "features": features or [], "hidden": hidden or [],
            "layers": layers or [],
        },
        options={
            "bidirectional": bidirectional or None, "outputs": outputs, "loss": loss, "readout": readout,
            "labels": labels, "shortest": shortest,
            "optimizer": optimizer, "precision": precision, "threads": threads,
            "denormals": denormals, "deterministic": deterministic, "chunk": chunk, "seed": seed,
        },
    )  # fmt: skip
    store = Store(results)
    try:
        settings = Settings(rounds, block, timeout, starts, ready)
        bouts = plan(request)
        store.prepare()
    except (UsageError, StoreError) as error:
        fail(error)
    well = measure(bouts, settings, store, out or results / "plots", json_lines)
    raise typer.Exit(OK if well else NOT_OK)


@app.command()
def verify(
    places: Folders = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that one run may take.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds mnist/.", envvar="HARNESS_DATA")] = None,
    results: Annotated[Path | None, typer.Option(help="Folder to keep the new runs' records in.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="A JSON line per record, as it is judged.")] = False,
) -> None:
    """Run records again, here, and judge: bit-identical, same result, different, cannot run, altered."""
    from harness.store import Store, StoreError
    from harness.verify import GOOD, closing, table, verify_all

    if data is not None:
        os.environ["HARNESS_DATA"] = str(data.expanduser().resolve())
    store = Store(results) if results else None
    try:
        if store:
            store.prepare()
    except StoreError as error:
        fail(error)
    rows, problems = verify_all(places or [DEFAULT_RESULTS], timeout, store, json_lines)
    for problem in problems:
        typer.echo(f"harness: skipped {problem}", err=True)
    if not json_lines:
        _print_table(table(rows))
        typer.echo("\n".join(closing(rows)))
    raise typer.Exit(OK if rows and all(row.judgement.verdict in GOOD for row in rows) else NOT_OK)


@app.command()
def reproduce(
    record: Annotated[Path, typer.Argument(help="A record's file.")],
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that the run may take.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds mnist/.", envvar="HARNESS_DATA")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="The judgement as a line of JSON.")] = False,
) -> None:
    """Build an environment of exactly the record's versions, run its spec in it, and verify."""
    from harness.reproduce import reproduce as run_in_its_own
    from harness.store import StoreError

    if data is not None:
        os.environ["HARNESS_DATA"] = str(data.expanduser().resolve())
    try:
        status = run_in_its_own(record, timeout, json_lines)
    except StoreError as error:
        fail(error, NOT_OK)
    raise typer.Exit(status)


env = typer.Typer(name="env", help="Environments of exact versions, which reproduce builds.", no_args_is_help=True)
app.add_typer(env)


@env.command("list")
def env_list() -> None:
    """Every environment that stands, with its framework's version and its size."""
    from harness.environments import built, folder

    standing = list(built())
    for name, pins, size in standing:
        extra = name.rpartition("-")[0]
        typer.echo(f"{name}  {extra} {pins.get(extra, '')}  {size / 2**30:.2f} GiB")
    if not standing:
        typer.echo(f"none in {folder()}; harness reproduce RECORD builds one")


@env.command("add")
def env_add(backend: Annotated[str, typer.Argument(help="A backend, at a version if named: torch@2.13.0.")]) -> None:
    """Build one for a framework, which harness run then uses where this environment has not got it."""
    from rich.console import Console

    from harness.environments import NotBuilt, python, recipe_for
    from harness.plan import split_version
    from harness.progress import line

    try:
        with line(Console(stderr=True)) as tell:
            typer.echo(python(recipe_for(*split_version(backend)), tell).parent.parent.name)
    except NotBuilt as error:
        fail(error, NOT_OK)


@env.command("remove")
def env_remove(name: Annotated[str, typer.Argument(help="As harness env list names it.")]) -> None:
    """Take one away."""
    from harness.environments import remove

    if not remove(name):
        fail(f"no environment {name!r}; harness env list names them")


@app.command("list")
def list_() -> None:
    """Tasks, backends, cells and variants, and why what cannot run here cannot."""
    from harness.listing import print_list

    print_list()


@app.command()
def doctor(
    json_lines: Annotated[bool, typer.Option("--json", help="The same as JSON on standard output.")] = False,
) -> None:
    """What this machine has, which backends see what of it, and what would help where they do not."""
    from harness import doctor as doctors

    found = doctors.examine()
    if json_lines:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(found)))
    else:
        doctors.print_findings(found)
    raise typer.Exit(OK if found.runnable else NOT_OK)


@app.command()
def show(record: Annotated[Path, typer.Argument(help="A record's file.")]) -> None:
    """One record, readable."""
    from harness import screen
    from harness.records import Record
    from harness.show import show as describe
    from harness.speedtable import tables
    from harness.store import StoreError, read

    try:
        found = read(record)
        if isinstance(found, Record):
            screen.show(describe(found))
        else:
            screen.show(tables(found), width=120)
    except StoreError as error:
        fail(error, NOT_OK)


@app.command()
def table(
    places: Folders = None,
    columns: Annotated[str | None, typer.Option(help="Comma-separated columns; help lists them.")] = None,
    sort: Annotated[str, typer.Option(help="Comma-separated columns to sort by; -column for descending.")] = "",
    where: Annotated[list[str] | None, typer.Option(help="Condition such as backend=torch. Repeatable.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="A row for all runs of a spec, over seeds.")] = False,
    format_: Annotated[str | None, typer.Option("--format", help="text, markdown, csv or parquet.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; its ending gives the format.")] = None,
) -> None:
    """Records as a table: any column, sorted and filtered."""
    from harness import table as tables
    from harness.columns import DESCRIPTIONS

    if columns == "help":
        width = max(map(len, DESCRIPTIONS))
        typer.echo("\n".join(f"{name:<{width}}  {about}" for name, about in DESCRIPTIONS.items()))
        return
    found = _read(places)
    try:
        text = tables.render(found, _words(columns), _words(sort), where or [], format_, out, summary)
    except (ValueError, OSError) as error:
        fail(error)
    if text is not None:
        typer.echo(text, nl=False)


@app.command()
def plot(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("results/local/plots"),
) -> None:
    """Learning curves, throughput, memory, score against time; scaling, ratios, rooflines. PNG and SVG."""
    from itertools import chain

    from harness import plots, speedplots
    from harness.drawing import save

    found = _read(places)
    try:
        drawn = save(chain(plots.figures(found.records), speedplots.figures(found.speeds)), out)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    typer.echo("\n".join(map(str, drawn)))


@app.command()
def report(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("results/local/report"),
    title: Annotated[str, typer.Option(help="Its heading.")] = "Recurrent networks, measured",
) -> None:
    """One page, as Markdown and as self-contained HTML, with tables and plots."""
    from harness import report as reports

    found = _read(places)
    try:
        written = reports.write(found, out, title)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    typer.echo("\n".join(map(str, written)))


def _read(places: list[Path] | None) -> Found:
    """Records from the places named; what is no record is told on standard error, and skipped."""
    from harness.store import read_all

    found = read_all(places or [DEFAULT_RESULTS])
    for problem in found.problems:
        typer.echo(f"harness: skipped {problem}", err=True)
    if not found.records and not found.speeds:
        where = ", ".join(map(str, places or [DEFAULT_RESULTS]))
        fail(f"no records in {where}; make some with: harness run", NOT_OK)
    return found


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def main() -> Any:
    """The console script."""
    try:
        return app(prog_name="harness")
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        return OK
