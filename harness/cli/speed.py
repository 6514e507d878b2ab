"""``harness speed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import (
    DEFAULT_RESULTS,
    NOT_OK,
    OK,
    Bidirectional,
    DenormalsWord,
    Deterministic,
    OptimizerWord,
    PrecisionWord,
    fail,
)


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
    bidirectional: Bidirectional = False,
    outputs: Annotated[int | None, typer.Option(help="Numbers or classes that are read out.")] = None,
    loss: Annotated[str | None, typer.Option(help="mse, cross-entropy or ctc.")] = None,
    labels: Annotated[int | None, typer.Option(help="Labels of each sequence, for ctc.")] = None,
    shortest: Annotated[int | None, typer.Option(help="Shortest sequence; lengths vary from it to --length.")] = None,
    readout: Annotated[str | None, typer.Option(help="last or every step.")] = None,
    optimizer: OptimizerWord = None,
    device: Annotated[list[str], typer.Option("--device", help="cpu, cuda, or both: cpu,cuda.")] = ["cpu"],  # noqa: B006
    precision: PrecisionWord = None,
    threads: Annotated[int | None, typer.Option(help="Threads and CPUs of each worker.  [default: 2]")] = None,
    denormals: DenormalsWord = None,
    deterministic: Deterministic = None,
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
    from harness.errors import UsageError
    from harness.planning.contests import SpeedRequest, plan
    from harness.records.store import Store, StoreError
    from harness.workflows.speed import Settings, measure

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
