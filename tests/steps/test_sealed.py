"""Files that pass from pod to pod: what was changed on the way is not used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from slipway.__main__ import main

TRIALS = Path("build/tune/trials.json")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own."""
    monkeypatch.chdir(tmp_path)


def dockerfile() -> None:
    """Something for a small verb to do: `image` writes a Dockerfile's months."""
    Path("Dockerfile").write_text("# data: begin (kept by `python -m slipway image`)\n# data: end\n", encoding="utf-8")
    Path("reports").mkdir()
    Path("reports/data.json").write_text('{"parts": {"2013-01": {}}}', encoding="utf-8")


def sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_what_was_made_is_noted_and_opens_the_next_step() -> None:
    dockerfile()
    given = sha256("reports/data.json")
    assert main(["sealed", f"--opens=reports/data.json={given}", "--seals=Dockerfile", "--", "image"]) == 0
    assert Path("build/sealed/sha256").read_text() == sha256("Dockerfile")
    assert "2013-01" in Path("Dockerfile").read_text()


def test_what_was_changed_on_the_way_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    dockerfile()
    given, before = sha256("reports/data.json"), Path("Dockerfile").read_text()
    Path("reports/data.json").write_text('{"parts": {"2013-01": {}, "1999-01": {}}}', encoding="utf-8")
    assert main(["sealed", f"--opens=reports/data.json={given}", "--seals=Dockerfile", "--", "image"]) == 2
    assert "reports/data.json is not what the step before made" in capsys.readouterr().err
    assert Path("Dockerfile").read_text() == before
    assert not Path("build/sealed").exists()


def test_a_folder_has_one_digest_whatever_packed_it() -> None:
    dockerfile()
    for folder in ("a", "b"):
        Path(folder).mkdir()
        for name in ("x", "y") if folder == "a" else ("y", "x"):
            Path(folder, name).write_text(name)
    digests = []
    for folder in ("a", "b"):
        assert main(["sealed", f"--seals={folder}", "--", "image"]) == 0
        digests.append(Path("build/sealed/sha256").read_text())
    assert digests[0] == digests[1]
    Path("b/x").write_text("other")
    assert main(["sealed", f"--opens=b={digests[0]}", "--", "image"]) == 2


def test_a_verbs_own_no_is_an_answer_and_its_errors_are_not() -> None:
    dockerfile()
    assert main(["sealed", "--verdict", "--", "image", "--check"]) == 0, "out of step: exit code 1"
    assert Path("build/sealed/verdict").read_text() == "refused"
    assert main(["sealed", "--verdict", "--", "image"]) == 0
    assert Path("build/sealed/verdict").read_text() == "passed"
    Path("build/sealed/verdict").unlink()
    Path("reports/data.json").unlink()
    assert main(["sealed", "--verdict", "--seals=Dockerfile", "--", "image"]) == 2
    assert not Path("build/sealed/verdict").exists()
    assert not Path("build/sealed/sha256").exists()
