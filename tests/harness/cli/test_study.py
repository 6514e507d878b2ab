"""``harness study`` from a shell: exit statuses, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Harness

WRONG = [
    (["none.toml"], "none.toml: No such file or directory; harness study --init writes an example"),
    (["study.toml"], "study.toml, line 2: unknown option 'hiden'; did you mean 'hidden'?"),
    (["big.toml", "--plan"], "big.toml: 10,000,000 runs, more than 100,000; --limit allows more"),
    (["one.toml", "--limit", "0"], "--limit"),
    (["one.toml", "--retry", "faild", "--status"], "--retry: unknown status 'faild'; did you mean 'failed'?"),
    (["one.toml", "--summary"], "no run of one is done yet; harness study one.toml does them"),
    (["one.toml", "--init"], "one.toml exists; name another file"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_a_mistake_is_one_line_and_exit_status_2(
    harness: Harness, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "study.toml").write_text("[axes]\nhiden = [1]\n")
    (tmp_path / "big.toml").write_text('[fixed]\nbackend = "numpy"\n[axes]\nseed = "0-9999999"\n')
    (tmp_path / "one.toml").write_text('[fixed]\nbackend = "numpy"\n')
    done = harness("study", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "one").exists()


def test_the_example_is_written_and_planned(harness: Harness, tmp_path: Path) -> None:
    done = harness("study", "--init")
    assert (done.returncode, done.stdout) == (0, "wrote study.toml; next: harness study study.toml --plan\n")
    done = harness("study", "--plan")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "30 runs, 0 done, 30 left: unknown"
    assert len(done.stdout.splitlines()) == 31
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]
