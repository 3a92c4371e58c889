"""`python -m slipway`: one command line that teaches, and says what went wrong in a sentence."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.__main__ import VERBS, main

ROOT = Path(__file__).resolve().parents[1]


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for verb, (_, summary) in VERBS.items():
        assert verb in said and summary in said


@pytest.mark.parametrize("verb", ["data", "prepare", "train", "evaluate", "report"])
def test_a_verbs_help_teaches_by_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    module = importlib.import_module(VERBS[verb][0])
    assert str(module.__doc__).strip().splitlines()[0] in said
    assert f"  {verb} " in said


def test_no_verb_and_a_wrong_verb_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["trian"]):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
    assert "trian" in capsys.readouterr().err


def test_bad_input_is_a_sentence_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "slipway", "train"], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT / "src")}, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "slipway train: params.yaml is missing: run this in the repository's root.\n"
    assert done.stdout == ""


def test_a_reader_that_stops_early_is_no_failure(small_months: Path) -> None:
    path = small_months / "2013-05.csv"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m slipway data check {path} | true"],
        capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}, timeout=120,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
