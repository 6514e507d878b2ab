"""Answers in sentences that need no other page, each with the records that it comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from harness.analysis.answer import TOLERANCE, Answer, Basis, Contender, Lead, LeftOut, Place, Question, Source
from harness.analysis.answers import answers
from harness.analysis.disturbance import MEANINGS
from harness.presentation import contest_words
from harness.presentation.curves import curve_of
from harness.presentation.folders import prepared
from harness.presentation.run_columns import COLUMNS, PREFIXES
from harness.records.kept import Run
from harness.records.store import Found
from harness.text import counted, number, printable, score_text

#: What people call backends; a third party's keeps its name.
NAMES: Final = {"numpy": "NumPy", "torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}
CELLS: Final = {
    "lstm": "LSTM", "gru": "GRU", "rnn": "plain RNN", "gru-reset-before": "GRU (reset before the product)",
}  # fmt: skip


#: The question that most people ask first: an LSTM of so many units.
USUAL_CELL, USUAL_HIDDEN = "lstm", 128
#: Columns of runs that answers need.
_NEEDED: Final = (
    "train_seq_s", "train_seq_s_p10", "train_seq_s_p90", "host_growth_mib", "host_peak_mib", "device_peak_mib", "score",
    "steps_to.",
)  # fmt: skip


class Sentence(NamedTuple):
    """Words, and the rows that they come from."""

    text: str
    sources: tuple[Source, ...]


class Said(NamedTuple):
    """An answer in words.

    Attributes:
        gist: in a few words, who.
        verdict: which backend trains fastest, and by how much.
        memory: how fast that is, and at which memory.
        score: of runs, what they scored and how soon; None for contests.
        sure: what the figures and brackets are of, and when they were measured.
        apart: what does not count, and why; None where all counts.
        gains: what tuned forms gain, a sentence for each framework.
        ceiling: what the machine could do at most; None where it was not measured.
    """

    gist: str
    verdict: Sentence
    memory: Sentence | None
    score: Sentence | None
    sure: Sentence
    apart: Sentence | None
    gains: list[Sentence]
    ceiling: Sentence | None

    @property
    def sentences(self) -> list[Sentence]:
        """All of them, the most important first."""
        some = [self.verdict, self.memory, self.score, self.sure, self.apart, *self.gains, self.ceiling]
        return [each for each in some if each is not None]


def answered(found: Found) -> list[Answer]:
    """What these records say, the answers first that are nearest to the question that most people ask."""
    with prepared(found, _NEEDED):
        every = answers(found.records, found.speeds, _figure)
    return sorted(every, key=nearness)


def _figure(run: Run, column: str) -> Any:
    return seconds_to(run) if column == "seconds_to" else COLUMNS[column].get(run)


def seconds_to(run: Run) -> dict[str, float | None]:
    """By levels of the main score the seconds inside training steps until an evaluation passed them; None for never."""
    _, levels = PREFIXES["steps_to."]
    if not (passed := levels(run)):
        return {}
    curve = curve_of(run)
    seconds = dict(zip(curve.steps.tolist(), curve.seconds.tolist(), strict=True))
    return {level: None if step is None else seconds.get(step) for level, step in passed.items()}


def nearness(answer: Answer) -> tuple[Any, ...]:
    """How far an answer is from the question that most people ask: its cell, its size, its layers and the rest."""
    question = answer.question
    apart = abs(math.log2(question.hidden / USUAL_HIDDEN))
    return (
        question.cell != USUAL_CELL, apart, question.layers + question.bidirectional, question.place.device != "cpu",
        question.kind, -answer.last.timestamp(), question.shared,
    )  # fmt: skip


def said(answer: Answer) -> Said:
    """An answer in words."""
    return Said(
        _gist(answer), _verdict(answer), _memory(answer), _score(answer), _sure(answer), _apart(answer),
        list(_gains(answer)), _ceiling(answer),
    )  # fmt: skip


# -- what was asked -----------------------------------------------------------------------------------
def name(backend: str) -> str:
    """What people call a backend."""
    return NAMES.get(backend, printable(backend))


def cell(question: Question) -> str:
    """What people call its cell."""
    return CELLS.get(question.cell, printable(question.cell))


def model(question: Question) -> str:
    """As in "an LSTM of 128 units", "a 4-layer bidirectional GRU of 320 units"."""
    parts = [f"{question.layers}-layer"] * (question.layers > 1) + ["bidirectional"] * question.bidirectional
    words = " ".join([*parts, cell(question)])
    # an L is spoken with a vowel
    article = "an" if words.startswith("LSTM") or words[0] in "aeio" or words.startswith("8") else "a"
    return f"{article} {words} of {counted(question.hidden, 'unit')}"


def place(where: Place, threads: int | None = None) -> str:
    """As in "AMD EPYC, 2 of 2 logical CPUs"."""
    on = "" if where.name == where.cpu else f"{where.name} beside "
    cpus = counted(where.logical_cpus, "logical CPU")
    return printable(f"{on}{where.cpu}, " + (cpus if threads is None else f"{counted(threads, 'thread')} of {cpus}"))


def measured(answer: Answer) -> str:
    """What was computed: the sizes of random data, or the task."""
    question = answer.question
    if answer.contest is None:
        # what stands beside it anyway
        known = {f"hidden {question.hidden}", question.place.cpu, counted(question.layers, "layer"), question.precision}
        differing = [each for each in question.differing.split(", ") if each and each not in known]
        return printable(", ".join([f"task {question.task}, {question.preset}", *differing]))
    spec = answer.contest.rows[0].spec
    shape = f"speed alone: random data, {spec.batch} sequences of {counted(spec.length, 'step')} × {spec.features}"
    named = contest_words.named(answer.contest)
    return ", ".join(filter(None, [shape, spec.loss if spec.loss != "mse" else "", f"shape {named}" * bool(named)]))


def title(answer: Answer) -> str:
    """As in "LSTM of 64 units, task adding, quick"."""
    words = model(answer.question).split(" ", 1)[1]
    precision = "" if answer.question.precision == "float32" else f", {answer.question.precision}"
    return printable(f"{words}{precision} · {measured(answer)}")


# -- who is fastest -----------------------------------------------------------------------------------
def _gist(answer: Answer) -> str:
    if answer.verdict == "none":
        return "Nothing that counts"
    first = name(answer.standing[0].backend)
    if answer.verdict == "open":
        return "Cannot be told yet"
    if answer.verdict == "alone":
        return f"Only {first} was measured"
    if answer.verdict == "fastest":
        return first
    return f"{_listed([first, *(name(each.backend) for each in answer.tied)], 'or')}: cannot be told apart"


def _verdict(answer: Answer) -> Sentence:
    standing = answer.standing
    if not standing:
        return Sentence("Nothing that counts was measured here.", answer.sources)
    first, of_all = standing[0], tuple(source for each in standing for source in each.sources)
    who = name(first.backend)
    if answer.verdict == "alone":
        return Sentence(f"Only {who} was measured so that it counts: there is nothing to compare it with.", of_all)
    if answer.verdict == "open":
        return Sentence(_open(answer), of_all + tuple(source for each in answer.open for source in each.sources))
    slower = [f"{_times(lead)} as {name(each.backend)}" for each, lead in answer.slower]
    if answer.verdict == "fastest":
        return Sentence(f"{who} trained fastest{_of_those(answer)}: {_listed(slower)}.", of_all)
    tied = {each.backend for each in answer.tied}
    apart = [
        f"{name(each.backend)} ({_bracketed(lead)})"
        for each, lead in zip(standing[1:], answer.leads, strict=True)
        if each.backend in tied
    ]
    but = f"{who} read fastest{_of_those(answer)}, but cannot be told apart from {_listed(apart)}."
    return Sentence(f"{but} It was {_listed(slower)}." if slower else but, of_all)


def _of_those(answer: Answer) -> str:
    """To go on with, where others took part of which nothing counts."""
    counting = {each.backend for each in answer.standing}
    return f" of the {len(counting)} that count" if answer.backends - counting else ""


def _open(answer: Answer) -> str:
    first = answer.standing[0]
    # of a backend that was disturbed in several calls, the quickest reading: it is what keeps the question open
    quickest = {each.backend: each for each in sorted(answer.open, key=lambda each: each.rate or 0.0)}
    disturbed = [quickest[backend] for backend in dict.fromkeys(each.backend for each in answer.open)]
    read = []
    for each in disturbed:
        times = (each.rate or 0.0) / first.rate
        how = f"{number(times, 2)} times as fast" if times > 1 + TOLERANCE else "about as fast"
        read.append(f"{name(each.backend)} ({each.why}) read {how}")
    only = len(answer.standing) == 1
    among = f"{name(first.backend)}, the only one that counts" if only else f"{name(first.backend)}, which leads"
    rest = " among those that count" if not only else ""
    who, (was, now) = _listed([name(each.backend) for each in disturbed]), ("was", "is")
    if len(disturbed) > 1:
        was, now = "were", "are"
    return (
        f"Which is fastest cannot be told before {who}, which {was} disturbed, {now} measured again: "
        f"{_listed(read)} as {among}{rest}."
    )


def _times(lead: Lead) -> str:
    return f"{number(lead.ratio)} times as fast{_range(lead)}"


def _range(lead: Lead) -> str:
    if lead.low is None or lead.high is None:
        return ""
    return f" ({number(lead.low)}–{number(lead.high)})"


def _bracketed(lead: Lead) -> str:
    if lead.low is None or lead.high is None:
        return f"{number(lead.ratio)} times, from too few rounds"
    return f"{number(lead.ratio)} times, {number(lead.low)}–{number(lead.high)}"


def _memory(answer: Answer) -> Sentence | None:
    if not answer.standing:
        return None
    first, rest = answer.standing[0], answer.standing[1:]
    text = f"{name(first.backend)} trained {number(first.rate)} sequences per second"
    if first.device_peak_mib:
        text += f", with {number(first.device_peak_mib)} MiB on the device"
    if first.growth_mib is not None and answer.question.kind == "runs":
        text += f"; training took {number(first.growth_mib)} MiB of memory beyond what the process had before"
    if first.peak_mib is not None:
        others = [f"{name(each.backend)} {number(each.peak_mib)}" for each in rest if each.peak_mib is not None]
        text += f"; its process had {number(first.peak_mib)} MiB at most"
        text += f" ({', '.join(others)})" * bool(others)
    return Sentence(f"{text}.", tuple(source for each in answer.standing for source in each.sources))


def _score(answer: Answer) -> Sentence | None:
    """What was learned, and how soon: in seconds inside training steps, to the last level that every run passed."""
    standing = [each for each in answer.standing if each.score is not None]
    if not standing:
        return None
    solved, runs = sum(each.solved or 0 for each in standing), sum(len(each.sources) for each in standing)
    scores = [f"{name(each.backend)} {score_text(each.score)}" for each in standing if each.score is not None]
    who = "All runs" if solved == runs else f"{solved} of {counted(runs, 'run')}"
    text = f"{who} solved the task ({standing[0].score_name}: {', '.join(scores)})"
    if levels := [level for level in standing[0].seconds_to if all(level in each.seconds_to for each in standing)]:
        soonest = sorted(standing, key=lambda each: each.seconds_to[levels[-1]])
        after = [f"{name(each.backend)} {number(each.seconds_to[levels[-1]])} s" for each in soonest]
        text += f"; to {levels[-1]} training took {', '.join(after)}, without interval"
    return Sentence(printable(f"{text}."), tuple(source for each in standing for source in each.sources))


# -- how sure that is ---------------------------------------------------------------------------------
_BASES: Final[dict[Basis, str]] = {
    "runs": "Brackets: intervals over {count} runs or more of each{family}.",
    "calls": "Brackets: intervals over {count} calls of the contest, each with processes of its own{family}.",
    "rounds": (
        "Brackets: intervals over {count} rounds, in which all took turns, of one process each{family}; as another "
        "start may differ by 5 %, only a lead of more counts."
    ),
    "blocks": (
        "Brackets: the range of the timed blocks of {count}, which is no interval; as another start may differ by 5 %, "
        "only a lead of more counts. Three undisturbed seeds of each would tell more."
    ),
}


def _sure(answer: Answer) -> Sentence:
    days = [f"{moment:%Y-%m-%d}" for moment in (answer.first, answer.last)]
    when = days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"
    question = answer.question
    versions = [f"{name(each.backend)} {printable(each.version)}" for each in answer.standing if each.version]
    seeds = sorted(each.seeds for each in answer.standing)
    how = ""
    if question.kind == "runs" and seeds:
        fewest = f"{seeds[0]} to " if seeds[0] < seeds[-1] else ""
        how = f", {fewest}{counted(seeds[-1], 'seed')} of each"
    text = f"Measured on {place(question.place, question.threads)}, {question.precision}, {when}{how}"
    text += f" ({', '.join(versions)})." if versions else "."
    for basis in dict.fromkeys(lead.basis for lead in answer.leads):
        leads = [lead for lead in answer.leads if lead.basis == basis]
        count = min(lead.count for lead in leads)
        share = 100 * leads[0].confidence
        family = f", each at {share:.4g} % so that all hold together with 95 %" if share > 95 else " at 95 %"
        words = ("one run of each" if count == 1 else "two runs of each") if basis == "blocks" else count
        text += " " + _BASES[basis].format(count=words, family=family)
    if answer.earlier:
        text += f" {counted(answer.earlier, 'set')} measured with another source of this project left aside."
    return Sentence(text, answer.sources)


def _apart(answer: Answer) -> Sentence | None:
    if not answer.left_out:
        return None
    by_name: dict[str, list[LeftOut]] = {}
    for each in answer.left_out:
        by_name.setdefault(f"{name(each.backend)} {printable(each.variant)}", []).append(each)
    things = "contestant" if answer.question.kind == "contest" else "run"
    parts = []
    for words, found in by_name.items():
        reasons = dict.fromkeys(why for each in found for why in (each.why.split() if each.noisy else [each.why]))
        count = sum(len(each.sources) for each in found)
        parts.append(f"{words} ({', '.join(reasons)})" + (f", {counted(count, things)}" if count > 1 else ""))
    noise = {flag for each in answer.left_out if each.noisy for flag in each.why.split()}
    meant = "; ".join(f"{flag}: {MEANINGS[flag]}" for flag in MEANINGS if flag in noise)
    text = f"Does not count: {_listed(parts)}." + (f" ({meant[0].upper()}{meant[1:]}.)" if meant else "")
    return Sentence(text, tuple(source for each in answer.left_out for source in each.sources))


# -- tuning, and what is possible ---------------------------------------------------------------------
def _gains(answer: Answer) -> Iterable[Sentence]:
    for gain in answer.gains:
        who, tuned, usual = name(gain.usual.backend), printable(gain.tuned.variant), printable(gain.usual.variant)
        lead, sources = gain.lead, gain.usual.sources + gain.tuned.sources
        if lead.told:
            text = f"{who}’s tuned form ({tuned}) is {_times(lead)} as what its users get ({usual})."
        elif lead.high is not None and lead.high < 1 / (1 + TOLERANCE):
            text = f"{who}’s tuned form ({tuned}) is slower than what its users get ({usual}): {_times(lead)}."
        else:
            text = f"Whether {who}’s tuned form ({tuned}) is faster than what its users get ({usual}) cannot be told"
            text += f" ({_bracketed(lead)})."
        yield Sentence(text, sources)


def _ceiling(answer: Answer) -> Sentence | None:
    found = answer.ceiling
    if found is None:
        return None
    who = name(answer.standing[0].backend)
    text = (
        f"At most: in the same call a large matrix product ran at {number(found.gemm_gflops)} GFLOP/s, of which {who} "
        f"reached {100 * found.share:.0f} % in training ({100 * found.low:.0f}–{100 * found.high:.0f} % from slow to "
        "quick rounds)"
    )
    if found.share < 1:
        most = number(1 / found.share)
        text += f"; at that rate the same products would train {most} times as fast at most"
    return Sentence(f"{text}.", (found.source,))


def _listed(parts: Sequence[str], last: str = "and") -> str:
    """As in "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


# -- as data ------------------------------------------------------------------------------------------
def as_json(answer: Answer) -> str:
    """An answer with its words, as a line of JSON."""
    words = said(answer)

    def contender(each: Contender) -> dict[str, Any]:
        kept = ("backend", "version", "variant", "tier", "rate", "slow", "fast", "growth_mib", "peak_mib", "score",
                "score_name", "solved", "seeds")  # fmt: skip
        return {field: getattr(each, field) for field in kept} | {"records": [source.id for source in each.sources]}

    def lead(each: Lead) -> dict[str, Any]:
        return vars(each)

    found = {
        "title": title(answer), "verdict": answer.verdict, "gist": words.gist,
        "question": {**vars(answer.question), "place": answer.question.place._asdict()},
        "standing": [contender(each) for each in answer.standing], "leads": [lead(each) for each in answer.leads],
        "left_out": [{**vars(each), "sources": [source.id for source in each.sources]} for each in answer.left_out],
        "gains": [{"usual": contender(each.usual), "tuned": contender(each.tuned), "lead": lead(each.lead)}
                  for each in answer.gains],
        "ceiling": None if answer.ceiling is None else vars(answer.ceiling),
        "first": answer.first.isoformat(), "last": answer.last.isoformat(),
        "sentences": [{"text": each.text, "records": list(dict.fromkeys(source.id for source in each.sources))}
                      for each in words.sentences],
    }  # fmt: skip
    return json.dumps(found)
