"""What a record must not say: who ran it, where that person's files lie, and what the machine is called.

Records are published. Messages of libraries and the end of a worker's output come into them as they are, and name
folders, users and hosts. Here these are replaced, before a record is made; and found in one that others made.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

_WORDS: Final = """
root user users home admin administrator ubuntu debian fedora centos runner docker container vm vagrant localhost local
nobody jovyan codespace ec2-user azureuser opc build builder worker node nodes python app dev test tests tester student
guest mac linux windows unknown machine host hostname server desktop laptop workstation cluster gpu cpu cuda numpy torch
jax tensorflow keras harness tasks backends data results runs model adding copy sine
"""
#: Names that say nothing about anybody: of users and hosts that images, clouds and this project's texts have.
GENERIC: Final = frozenset(_WORDS.split())
#: A name as short as this is a word of many texts, and tells nobody.
_SHORTEST: Final = 3
_HOME: Final = r"(?:/home|/Users|/export/home|/var/home|[A-Za-z]:\\+Users)[/\\]+"
#: A home folder of whatever user; the name is the first group.
HOME: Final = re.compile(_HOME + r"([^/\\\s'\":;,)\]}<>]+)")
EMAIL: Final = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}\b")
#: The user and password of an address, as proxies and private package registries have them.
CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s'\"…]+(?=@)")
#: A GPU by the number that no other has.
DEVICE: Final = re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
#: A machine by its number in a network, in a message: private ones, and any with a port. Versions look alike elsewhere.
ADDRESS: Final = re.compile(
    r"(?<![\w.])(?:(?:10|127|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}"
    r"|\d{1,3}(?:\.\d{1,3}){3}(?=:\d))(?![\w.])"
)
#: What ``alias`` gives.
ALIAS: Final = re.compile(r"machine-[0-9a-f]{8}")


class Names(NamedTuple):
    """What this process knows of its user and machine, generic words left out."""

    homes: tuple[str, ...]
    users: tuple[str, ...]
    hosts: tuple[str, ...]


def names() -> Names:
    """Those of this user, on this machine."""
    known = tuple(os.environ.get(name, "") for name in ("HOME", "USERPROFILE", "USER", "LOGNAME", "USERNAME"))
    return _names(known, platform.node())


@lru_cache
def _names(known: tuple[str, ...], node: str) -> Names:
    homes, users = set(known[:2]), set(known[2:])
    try:
        import pwd

        entry = pwd.getpwuid(os.getuid())
        homes.add(entry.pw_dir)
        users.add(entry.pw_name)
    except (ImportError, KeyError):  # Windows; a user that the system does not know
        pass
    homes |= {os.path.realpath(each) for each in homes if each}
    users |= {Path(each).name for each in homes}
    hosts = {node, node.partition(".")[0]}
    # the longest first, so that no part of one is replaced before the whole is
    return Names(
        *(
            tuple(sorted(found, key=len, reverse=True))
            for found in ({each for each in homes if each.count(os.sep) > 1}, _telling(users), _telling(hosts))
        )
    )


def _telling(found: set[str]) -> set[str]:
    return {each for each in found if len(each) >= _SHORTEST and each.lower() not in GENERIC}


def impersonal(text: str) -> str:
    """The text without home folders (``~``), this user's and this machine's names (``user``, ``host``), addresses of
    mail and of machines, what an address has before its @, and the numbers of single GPUs.
    """
    known = names()
    for home in known.homes:
        text = _folder(home).sub("~", text)
    text = HOME.sub("~", text)
    text = CREDENTIALS.sub("…", text)
    text = EMAIL.sub("…@…", text)
    text = ADDRESS.sub("…", text)
    text = DEVICE.sub(r"\1-…", text)
    for found, instead in ((known.users, "user"), (known.hosts, "host")):
        for name in found:
            text = _word(name).sub(instead, text)
    return text


@lru_cache
def _folder(path: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(path)}(?![\w.-])")


@lru_cache
def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE)


def alias(node: str | None = None) -> str:
    """A machine's name for records: the same for each of its runs, without a way back to what it is called.

    It is made from the name and from a number of the machine that writes the record, which nobody else knows: so that
    guessing names and comparing leads nowhere.

    Args:
        node: the machine's name in its network; None for this one.
    """
    return "machine-" + hashlib.sha256(f"{_secret()} {node or platform.node()}".encode()).hexdigest()[:8]


@lru_cache
def _secret() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            if found := Path(path).read_text().strip():
                return found
        except OSError:
            continue
    return str(uuid.getnode())


def told(text: str) -> Iterator[str]:
    """What a text tells of a person or a single machine, whoever wrote it, a few words each."""
    for found in HOME.finditer(text):
        if found[1].lower() not in GENERIC:
            yield f"the home folder {found[0]}"
    for found in EMAIL.finditer(text):
        yield f"the mail address {found[0]}"
    if CREDENTIALS.search(text):
        yield "the user or password of an address"
    for found in DEVICE.finditer(text):
        yield f"the number of a single device, {found[0]}"


def told_here(text: str) -> Iterator[str]:
    """``told``, and what a text tells of this user and this machine."""
    yield from told(text)
    known = names()
    for home in known.homes:
        if _folder(home).search(text) and not HOME.search(home):
            yield f"the home folder {home}"
    for what, found in (("user", known.users), ("host", known.hosts)):
        for name in found:
            if _word(name).search(text):
                yield f"the {what}'s name, {name}"
