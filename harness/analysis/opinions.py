"""Second opinions: what those who made a run again have found, counted by machine.

Two verdicts are of one machine where their environments say the same processor, number of logical CPUs, memory (to a
GiB), operating system (its name; kernels are renewed), GPU and container. Names of hosts are not in records, so that
two machines of one type count as one: there are at least as many as it says. Of several verdicts of one machine the
newest counts, one of all updates before one of the first few. A verdict that needed no run counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.records.base import Environment
from harness.records.verdict import OPINIONS, VerdictRecord
from harness.text import counted

#: What tells machines apart.
Machine = tuple[str | int | None, ...]
#: For people, beside a count.
RULE: Final = (
    "Machines are told apart by processor, number of CPUs, memory, operating system, GPU and container; "
    "two of one type count as one."
)


def machine_of(where: Environment) -> Machine:
    """What an environment says of the machine, as far as it tells it from another one.

    That is more than makes figures comparable, for which ``harness.records.machines.slug`` names kinds of machines.
    """
    memory = None if where.memory_bytes is None else round(where.memory_bytes / 2**30)
    system = where.os.partition(" ")[0]
    return where.cpu, where.logical_cpus, memory, system, where.device_name or where.gpu.get("name"), where.container


@dataclass(frozen=True)
class Opinions:
    """The opinions on one record.

    Attributes:
        digest: of the record, as its file has it.
        whole: of each machine that made all of the run again, the verdict that counts, in their order.
        partial: likewise of each other machine, which made only its first updates again.
        own: whether the record's own machine is among those.
    """

    digest: str
    whole: Sequence[VerdictRecord] = ()
    partial: Sequence[VerdictRecord] = ()
    own: bool = False

    @property
    def sentence(self) -> str:
        """ "made again on 3 machines: 2 bit-identical, 1 same result", and what was made again in part."""
        parts = []
        if self.whole:
            own = ", its own among them" if self.own and len(self.whole) > 1 else ", its own" if self.own else ""
            parts.append(f"made again on {counted(len(self.whole), 'machine')}{own}: {_tally(self.whole)}")
        if self.partial:
            more = " more" if self.whole else ""
            shares = sorted({f"{each.updates:,} of {each.updates_recorded:,}" for each in self.partial})
            where = f"{len(self.partial)}{more} machine{'s' * (len(self.partial) != 1)}"
            parts.append(f"its first {' and '.join(shares)} updates on {where}: {_tally(self.partial)}")
        return "; ".join(parts) or "not made again by anyone yet"


def _tally(verdicts: Iterable[VerdictRecord]) -> str:
    words = [each.verdict for each in verdicts]
    if len(words) == 1:
        return words[0]
    return ", ".join(f"{n} {word}" for word in OPINIONS if (n := words.count(word)))


@dataclass
class Counted:
    """The opinions on many records.

    Attributes:
        by_digest: of each record that has any; ``of`` gives those of others, too.
        uncounted: a line for each verdict that does not count.
    """

    by_digest: dict[str, Opinions] = field(default_factory=dict)
    uncounted: list[str] = field(default_factory=list)

    def of(self, digest: str) -> Opinions:
        """The opinions on a record, by the digest in its file."""
        return self.by_digest.get(digest) or Opinions(digest)


def opinions(verdicts: Iterable[VerdictRecord], seals: Mapping[str, str]) -> Counted:
    """Count verdicts, each for the record that it is on, as long as that is here and what it was.

    Args:
        verdicts: read, so that their own seals hold.
        seals: by id, the digests of the records that are here, as their files have them: ``Found.seals``.
    """
    found = Counted()
    of: dict[str, list[VerdictRecord]] = {}
    for each in sorted(verdicts, key=lambda verdict: (verdict.created, verdict.id)):
        now = seals.get(each.judged.id)
        if each.environment is None:
            found.uncounted.append(f"{each.id}: not counted: {each.verdict}, without a run")
        elif now == each.judged.digest:
            of.setdefault(now, []).append(each)
        elif now is None:
            found.uncounted.append(f"{each.id}: not counted: the record that it judges, {each.judged.id}, is not here")
        else:
            found.uncounted.append(
                f"{each.id}: not counted: the record that it judges, {each.judged.id}, had the digest "
                f"{each.judged.digest:.12}… then, and has {now:.12}… now"
            )
    found.by_digest = {digest: _opinions(digest, verdicts) for digest, verdicts in of.items()}
    return found


def _opinions(digest: str, verdicts: Sequence[VerdictRecord]) -> Opinions:
    """Those on one record, given in the order of their making."""
    last: dict[Machine, VerdictRecord] = {}
    for each in verdicts:
        assert each.environment is not None
        machine = machine_of(each.environment)
        if each.is_whole or machine not in last or not last[machine].is_whole:
            last[machine] = each
    whole = [each for each in last.values() if each.is_whole]
    own = machine_of(verdicts[0].environment_recorded)
    mine = any(each.environment is not None and machine_of(each.environment) == own for each in whole)
    return Opinions(digest, whole, [each for each in last.values() if not each.is_whole], mine)
