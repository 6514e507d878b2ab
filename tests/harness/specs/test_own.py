"""Files of models of users' own, as planning finds them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.specs.base import Model
from harness.specs.commandline import runs_only
from harness.specs.own import file_of, noted, split


def test_a_file_is_found_by_its_digest_and_no_folder_is_part_of_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "my_model.py"
    path.write_text("class Mine: ...\n")
    assert split(f"{path}:Mine") == (path, "Mine")
    assert split(str(path)) == (path, "")
    digest = noted(path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    model = Model(cell="own", hidden=3, source="my_model.py:Mine", sha256=digest)
    assert (file_of(model), model.name) == (str(path), "own:Mine")
    assert file_of(Model(hidden=3)) is None
    with pytest.raises(ValueError, match="pattern"):
        Model(cell="own", hidden=3, source=f"{path}:Mine", sha256=digest)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "takes FILE.py:NAME"),
        ("my_model:Mine", "takes FILE.py:NAME, the file and what it calls the model, not 'my_model:Mine'"),
        ("my_model.txt:Mine", "takes FILE.py:NAME"),
        ("my model.py", "the name of the file, which records, commands and tables show, may have the letters a to z"),
        ("sp/mödel.py:Mine", "begins with none of the last two: not 'mödel.py'"),
        ("folder.py:Mine", "folder.py is no regular file"),
        ("pipe.py:Mine", "pipe.py is no regular file"),
        ("nowhere.py", "there is no file nowhere.py"),
        ("~nobody-at-all/my_model.py:Mine", "there is no file ~nobody"),
        ("a" * 5000 + "/my_model.py:Mine", "there is no file aaa"),
        ("my_model.py:a.b", "takes FILE.py:NAME"),
        ("nowhere/my_model.py:Mine", "there is no file nowhere/my_model.py"),
    ],
)
def test_what_names_no_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.py").mkdir()
    os.mkfifo("pipe.py")
    with pytest.raises(UsageError, match="--model") as refused:
        split(words)
    assert says in str(refused.value)


def test_a_command_in_a_record_runs_no_file_of_another_folder() -> None:
    assert runs_only("harness run --cell own --model my_model.py:Mine")
    assert runs_only("harness run --cell own --model my_model.py")
    assert not runs_only("harness run --cell own --model /tmp/my_model.py:Mine")
    assert not runs_only("harness run --cell own --model=/tmp/my_model.py:Mine")
