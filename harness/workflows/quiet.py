"""Quiet before measuring: a look at what others compute on the CPUs that are about to be used.

A measurement's own noise tells what disturbed it; this tells it before, while something can still be done about it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from os import environ
from typing import Any

from harness.analysis.disturbance import OUTSIDE_SHARE
from harness.errors import UsageError
from harness.machine import others
from harness.machine.personal import impersonal
from harness.machine.topology import Choice
from harness.presentation.screen import Screen
from harness.records.base import Before
from harness.specs.options import LOOK_VARIABLE
from harness.text import printable

#: Seconds of a look. The kernel counts in ticks of 10 ms: 50 of them for each CPU.
LOOK_S = 0.5
#: Others are busy from this share of the CPUs on: half of what a measurement's noise calls load, as a look is short.
LOUD = OUTSIDE_SHARE / 2
#: Before a run that follows another, what others did since the last reading will do if that is no older than this.
RECENT_S = 20 * LOOK_S
LONGEST_LOOK_S, LONGEST_WAIT_S = 60.0, 7 * 24 * 3600.0


class NotQuiet(RuntimeError):
    """Others are busy, or it cannot be known, and quiet was required; says which, and has what was found."""

    def __init__(self, reason: str, before: Before) -> None:
        super().__init__(reason)
        self.before = before


def _told(text: str) -> None:
    Screen(stderr=True).print(f"harness: {text}", highlight=False, markup=False, soft_wrap=True)


@dataclass
class Quiet:
    """Looks before the measurements of one command, the first of which takes ``look_s`` seconds.

    A look before a later measurement costs nothing where the last reading is recent: the kernel's counters since then
    say what others did while our own worker ran. Only after a run longer than ``RECENT_S`` is there a look of its own,
    which is at most a twentieth of that run.

    The first look may begin with the command: what the command itself has computed since then, where planning takes as
    long as a look, is subtracted as a worker's work is. It did so on any CPU, so that is right only where all CPUs of
    the machine are about to be used.

    Attributes:
        look_s: seconds of a look; 0 for none at all.
        wait_s: seconds to wait for quiet, at most.
        require: whether nothing is measured while others are busy.
        begun: the counters when the command began; None to look when the first measurement is near.
        tell: called with a line for people, once each time that it becomes loud.
        read: the counters, given the clock's seconds.
        clock, sleep: in seconds.
    """

    look_s: float = LOOK_S
    wait_s: float = 0.0
    require: bool = False
    begun: others.Reading | None = None
    tell: Callable[[str], None] = _told
    read: Callable[[float], others.Reading | None] = others.read
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _last: others.Reading | None = field(default=None, init=False)
    _cpus: list[int] = field(default_factory=list, init=False)
    _loud: bool = field(default=False, init=False)

    @classmethod
    def asked(cls, look: float | None = None, wait_quiet: float | None = None, require_quiet: bool = False,
              begun: others.Reading | None = None) -> Quiet:  # fmt: skip
        """As options ask for it.

        Raises:
            UsageError: seconds that no look and no wait can have, or quiet that nobody looks for.
        """
        name = "--look"
        if look is None and (text := environ.get(LOOK_VARIABLE)):
            name = LOOK_VARIABLE
            try:
                look = float(text)
            except ValueError:
                raise UsageError(f"{name}: {text!r:.40} is no number of seconds") from None
        look = LOOK_S if look is None else look
        wait = 0.0 if wait_quiet is None else wait_quiet
        for which, value, most in ((name, look, LONGEST_LOOK_S), ("--wait-quiet", wait, LONGEST_WAIT_S)):
            if not 0 <= value <= most:
                raise UsageError(f"{which} is from 0 to {most:,.0f} seconds, not {value:g}")
        if not look and (wait or require_quiet):
            which = "--require-quiet" if require_quiet else "--wait-quiet"
            if name == "--look":
                raise UsageError(f"{which} needs a look at what others compute, and --look 0 allows none")
            look = LOOK_S  # what is asked for now counts before what the environment says of all commands
        return cls(look, wait, require_quiet, begun)

    @classmethod
    def taken_from(cls, options: dict[str, Any], begun: others.Reading | None = None) -> Quiet:
        """As ``asked``, by the values of options, which no longer have them then."""
        look, wait, require = (options.pop(name) for name in ("look", "wait_quiet", "require_quiet"))
        return cls.asked(look, wait, require, begun)

    def before(self, choice: Choice, threads: int, fixed: bool = False) -> Before | None:
        """Look, say in one line what others do where that is much, and wait for quiet where that was asked for.

        Args:
            choice: of the CPUs to be used. If there was a wait they are chosen again, as others may have moved.
            threads: as many of them are used.
            fixed: whether the CPUs stay as they are, because something was measured on them.

        Returns:
            What was found last; None where nobody looked, or the system does not say.

        Raises:
            NotQuiet: quiet was required, and is not to be had.
        """
        if not self.look_s:
            return None
        began = self.clock()
        cpus = choice.of(threads).cpus
        found = self._look(cpus, began)
        if found is None:
            if self.require:
                why = "this system does not say what others compute, so quiet cannot be known (--require-quiet)"
                raise NotQuiet(why, Before(share=None, over_s=0, refused=True))
            return None
        waited = False
        while found.share > LOUD and self.clock() - began < self.wait_s:
            if not waited:
                self.tell(f"{said(found, cpus)}; waiting for quiet, {self.wait_s:g} s at most")
            waited = True
            found = self._look(cpus, None) or found
            if not fixed:
                choice.again()
            cpus = choice.of(threads).cpus
        waited_s = self.clock() - began if waited else 0.0
        loud = found.share > LOUD
        before = Before(
            share=found.share, over_s=found.over_s, waited_s=waited_s, refused=loud and self.require,
            busiest={impersonal(printable(name))[:64]: share for name, share in found.busiest.items()},
        )  # fmt: skip
        if before.refused:
            how = f", after {waited_s:.0f} s of waiting" if waited else ""
            raise NotQuiet(f"not measured: {said(found, cpus)}{how} (--require-quiet)", before)
        if loud and not self._loud:
            self.tell(f"{said(found, cpus)}: what is measured now is disturbed (--wait-quiet SECONDS waits for quiet)")
        self._loud = loud
        return before

    def _look(self, cpus: list[int], recent_at: float | None) -> others.Found | None:
        """What others do now; None where the system does not say.

        Args:
            recent_at: the clock now, where readings that were taken recently will do.
        """
        last, begun, self.begun = self._last, self.begun, None
        if begun is not None and set(cpus) == set(begun.busy_s):
            last, self._cpus = begun, cpus
        # what our worker did on other CPUs would be taken from what others did on these
        if last is None or recent_at is None or recent_at - last.at_s > RECENT_S or cpus != self._cpus:
            last = self.read(self.clock())
            if last is None:
                return None
            self.sleep(self.look_s)
        elif recent_at - last.at_s < self.look_s:  # too short to say anything: what is lacking is waited for
            self.sleep(self.look_s - (recent_at - last.at_s))
        now = self.read(self.clock())
        if now is None:
            return None
        self._last, self._cpus = now, cpus
        return others.between(last, now, cpus)


def said(found: others.Found, cpus: list[int]) -> str:
    """Who is busy, as in "others use 47 % of CPUs 0, 1 (python 97 % of a CPU, cc1 20 %)"."""
    numbers = ", ".join(map(str, cpus[:8])) + (", …" if len(cpus) > 8 else "")
    names = [f"{printable(name)[:64]} {100 * share:.0f} %" for name, share in found.busiest.items()]
    who = ", ".join([f"{names[0]} of a CPU", *names[1:]]) if names else "nobody who can be seen from here"
    return f"others use {100 * found.share:.0f} % of CPU{'s' * (len(cpus) > 1)} {numbers} ({who})"
