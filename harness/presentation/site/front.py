"""The front page: answers first, each with how sure it is, the rows that it comes from, and how to check it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from harness.analysis.answer import Answer, Contender, Lead, LeftOut, Limit, Place, Question, Source
from harness.analysis.answers_of_contests import limits
from harness.analysis.groups import trait
from harness.presentation import answer_words
from harness.presentation.answer_words import Sentence
from harness.presentation.look import colour_of
from harness.presentation.site import charts, explore, machines, rows
from harness.presentation.site.charts import Chart
from harness.presentation.site.frame import Site, page_of, slug
from harness.presentation.table import Column, Table
from harness.specs.commandline import comparison, contest
from harness.specs.run import RunSpec
from harness.text import counted, number, printable, score_text

#: Answers on the page, those to the question that most people ask first.
MOST_SHOWN: Final = 60
#: Rows that a link names one by one.
MOST_NAMED: Final = 100


class Line(NamedTuple):
    """A sentence, and the view of its rows."""

    text: str
    address: str


class Standing(NamedTuple):
    """A row of an answer's table."""

    contender: Contender
    lead: Lead | None


@dataclass(frozen=True)
class Card:
    """An answer as the page shows it.

    Attributes:
        name: in the page.
        question: as in "an LSTM of 128 units".
        gist: who, in a few words; told: whether that is told.
        choices: what the chooser asks for, by name.
        lines: the verdict, memory and scores; sure: how sure that is; further: what tuning gains, and what is possible.
        commands: that measure it again, each with what it is for.
        records: pages of the records of the fastest.
    """

    name: str
    title: str
    question: str
    where: str
    gist: str
    told: bool
    choices: dict[str, str]
    lines: list[Line]
    sure: list[Line]
    further: list[Line]
    commands: list[tuple[str, str]]
    records: list[Line]
    chart: Chart | None

    @property
    def asked(self) -> tuple[str, ...]:
        """What a reader asks for; what it was measured by aside."""
        return tuple(value for name, value in self.choices.items() if name != "measured")


class Machine(NamedTuple):
    """The answers of one machine; its page, and what it gives at most."""

    words: str
    address: str
    limit: Line | None
    cards: list[Card]


def write(site: Site) -> None:
    """Write ``index.html``."""
    found = site.found
    every = answer_words.answered(found)
    asked = [answer for answer in every if len(answer.backends) > 1]
    shown = asked[:MOST_SHOWN]
    specs = _specs(site, shown)
    of_machines = limits(found.speeds)
    by_place: dict[Place, list[Card]] = {}
    questions: dict[Place, Question] = {}
    first: Card | None = None
    taken: dict[str, str] = {}
    for answer in shown:
        card = _card(site, answer, specs, taken)
        first = first or card
        questions.setdefault(answer.question.place, answer.question)
        by_place.setdefault(answer.question.place, []).append(card)
    site.page(
        "index.html", "index", site.title, scripts=["static/front.js"],
        charts=[card.chart for cards in by_place.values() for card in cards if card.chart],
        first=first, also=[card for cards in by_place.values() for card in cards
                           if first and card is not first and card.asked == first.asked],
        exact=bool(shown) and answer_words.nearness(shown[0])[:3] == (0, 0.0, 1),
        machines=[_machine(site, questions[place], of_machines.get(place), cards) for place, cards in by_place.items()],
        counts=_counts(site, every, asked, shown), everything=explore.address(),
    )  # fmt: skip


def _counts(site: Site, every: Sequence[Answer], asked: Sequence[Answer], shown: Sequence[Answer]) -> list[str]:
    records = counted(len(site.found.records) + len(site.found.speeds), "record")
    lines = [f"From {records}. {counted(len(asked), 'question')} can be asked of them."]
    if len(every) > len(asked):
        lines.append(f"In {counted(len(every) - len(asked), 'further set')} only one backend was measured.")
    if len(asked) > len(shown):
        lines.append(
            f"Shown are the {len(shown)} nearest to an LSTM of {answer_words.USUAL_HIDDEN} units; Explore has them all."
        )
    return lines


def _specs(site: Site, shown: Sequence[Answer]) -> dict[str, RunSpec]:
    """The spec of one run of each answer, by the id of that run."""
    wanted = {answer.standing[0].sources[0].id for answer in shown if answer.standing and answer.contest is None}
    found = {run.id: run for run in site.found.records if run.id in wanted}
    return {name: RunSpec.model_validate_json(trait(run, "seedless")) for name, run in found.items()}


def _machine(site: Site, question: Question, limit: Limit | None, cards: list[Card]) -> Machine:
    place, page = question.place, machines.machines(site).get(question.machine)
    memory = f", {place.gib} GiB" if place.gib else ""
    words = f"{answer_words.place(place)}{memory}, Python {printable(place.python)}"
    return Machine(words, page.address if page else "", _limit(site, limit), cards)


def _limit(site: Site, limit: Limit | None) -> Line | None:
    if limit is None:
        return None
    copy = f", a large copy at {number(limit.copy_gb_per_s)} GB/s" if limit.copy_gb_per_s else ""
    text = f"The most that it gives: a large matrix product ran at {number(limit.gemm_gflops)} GFLOP/s{copy}"
    return Line(f"{text} ({limit.measured:%Y-%m-%d}).", page_of(site.seals[limit.source.id]))


def _card(site: Site, answer: Answer, specs: dict[str, RunSpec], taken: dict[str, str]) -> Card:
    question, words = answer.question, answer_words.said(answer)
    title, where = answer_words.title(answer), answer_words.place(question.place, question.threads)
    name = slug(f"answer {title}", taken)
    taken[name] = title
    lines = [each for each in (words.verdict, words.memory, words.score) if each]
    sure = [each for each in (words.sure, words.apart) if each]
    further = [each for each in (*words.gains, words.ceiling) if each]
    return Card(
        name=name, title=title, question=answer_words.model(question), where=where, gist=words.gist,
        told=answer.verdict == "fastest",
        choices={
            "cell": answer_words.cell(question), "size": answer_words.model(question).split(" of ")[-1]
            + (f", {question.layers} layers" if question.layers > 1 else "")
            + (", bidirectional" if question.bidirectional else ""),
            "machine": f"{where}{'' if question.precision == 'float32' else ', ' + question.precision}",
            "measured": answer_words.measured(answer),
        },
        lines=[_line(site, each) for each in lines], sure=[_line(site, each) for each in sure],
        further=[_line(site, each) for each in further], commands=_commands(site, answer, specs),
        records=_records(site, answer), chart=_chart(site, name, title, answer),
    )  # fmt: skip


def _line(site: Site, sentence: Sentence) -> Line:
    return Line(sentence.text, _view(site, sentence.sources))


def _view(site: Site, sources: Sequence[Source]) -> str:
    """The rows in explore."""
    keys = dict.fromkeys(rows.key_of(site.seals[source.id], source.place) for source in sources)
    return explore.address(ids=list(keys)[:MOST_NAMED])


def _records(site: Site, answer: Answer) -> list[Line]:
    """The records of each contender, the first of them where there are several."""
    found: dict[str, list[str]] = {}
    for each in answer.standing:
        seal, more = site.seals[each.sources[0].id], len(each.sources) - 1
        words = answer_words.name(each.backend) + (f" (and {more} more)" if more else "")
        found.setdefault(page_of(seal), []).append(words)
    return [Line(", ".join(words), address) for address, words in found.items()]


def _commands(site: Site, answer: Answer, specs: dict[str, RunSpec]) -> list[tuple[str, str]]:
    """What a reader can type to measure it again, and what for."""
    if not answer.standing:
        return []
    first, others = answer.standing[0], answer.standing[1:]
    if answer.contest is not None:
        who = list(dict.fromkeys([*map(_who, answer.standing), *map(_who, answer.open)]))
        line = contest(answer.contest.rows[0].spec, who)
        return [("the same contest, in a few minutes", line)] if line else []
    spec, found = specs[first.sources[0].id], []
    # what would settle it: those that were disturbed, else the nearest
    if against := [*map(_who, answer.open), *map(_who, others)]:
        a, b = _who(first), against[0]
        what = f"{answer_words.name(a[0])} against {answer_words.name(b[0])}, live, in turns"
        found.append((what, comparison(spec, a, b)))
    seal = site.seals[first.sources[0].id]
    found.append(
        (
            f"the run of {answer_words.name(first.backend)} again, from its record",
            f"harness verify {page_of(seal)[:-5]}.json",
        )
    )
    return found


def _who(each: Contender | LeftOut) -> tuple[str, str]:
    return each.backend, each.variant


# -- the chart ----------------------------------------------------------------------------------------
def _chart(site: Site, name: str, title: str, answer: Answer) -> Chart | None:
    if len(answer.standing) < 2:
        return None
    standing = [Standing(each, lead) for each, lead in zip(answer.standing, (None, *answer.leads), strict=True)]
    data = [_datum(each) for each in standing]
    labels = [row["who"] for row in data]
    y = {"field": "who", "type": "nominal", "sort": labels, "title": None, "axis": {"ticks": False, "domain": False}}
    colour = {
        "field": "who",
        "type": "nominal",
        "legend": None,
        "scale": charts.colours(labels, {row["who"]: row["colour"] for row in data}),
    }
    top = max([1.05, *(row["high"] for row in data if row["high"] is not None and row["high"] < 3)])
    x: dict[str, Any] = {
        "field": "speed",
        "type": "quantitative",
        "title": "speed, the fastest = 1",
        "scale": {"domain": [0, top], "clamp": True},
        "axis": {"format": charts.TICKS, "tickCount": 6},
    }
    tooltip = charts.told(
        who="backend", rate="sequences per second", words="the fastest against it", told="can be told"
    )
    spec = {
        "data": {"values": data},
        "height": 34 * len(data),
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 3, "aria": False},
             "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour}},
            {"mark": {"type": "point", "filled": True, "size": 110},
             "encoding": {"y": y, "x": x, "color": colour, "tooltip": tooltip,
                          "shape": {"field": "told", "type": "nominal", "legend": None,
                                    "scale": {"domain": ["the fastest", "yes", "no"],
                                              "range": ["circle", "circle", "diamond"]}}}},
        ],
    }  # fmt: skip
    bars = "lines: intervals" if answer.leads[0].basis != "blocks" else "lines: ranges of blocks"
    about = f"Speed of each backend as a share of the fastest; {bars}; a diamond cannot be told apart from the fastest."
    return Chart(f"{name}-chart", "Speeds compared", about, spec, _table(site, standing, answer))


def _datum(each: Standing) -> dict[str, Any]:
    contender, lead = each
    who = answer_words.name(contender.backend)
    datum = {"who": who, "rate": number(contender.rate), "colour": colour_of(contender.backend)}
    if lead is None:
        return datum | {"speed": 1.0, "low": None, "high": None, "words": "", "told": "the fastest"}
    low, high = (1 / end if end else None for end in (lead.high, lead.low))
    told = "yes" if lead.told else "no"
    return datum | {"speed": 1 / lead.ratio, "low": low, "high": high, "words": _against(each), "told": told}


def _against(each: Standing) -> str:
    lead = each.lead
    if lead is None:
        return ""
    bracket = "" if lead.low is None or lead.high is None else f" ({number(lead.low)}–{number(lead.high)})"
    return f"{number(lead.ratio)}×{bracket}"


def _table(site: Site, standing: Sequence[Standing], answer: Answer) -> Table:
    def of(name: str, write: Any = number) -> Any:
        return lambda each: "" if (value := getattr(each.contender, name)) is None else write(value)

    columns: list[Column[Standing]] = [
        Column(
            "backend", lambda each: answer_words.name(each.contender.backend),
            link=lambda each: page_of(site.seals[each.contender.sources[0].id]),
        ),
        Column("version", of("version", printable)),
        Column("variant", lambda each: each.contender.variant),
        Column("tier", of("tier", str)),
        Column("sequences/s", of("rate"), right=True),
        Column("fastest against it", _against, right=True),
        Column("told apart", lambda each: "" if each.lead is None else "yes" if each.lead.told else "no"),
        Column("peak MiB", of("peak_mib"), right=True),
    ]  # fmt: skip
    if answer.question.kind == "runs":
        columns += [
            Column("growth MiB", of("growth_mib"), right=True),
            Column("score", of("score", score_text), right=True),
            Column("runs", lambda each: len(each.contender.sources), kind="Int64"),
            Column("solved", of("solved", str), right=True),
        ]
    return Table.of(columns, standing)
