"""Questions to a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.git import changed, git


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, which stands in it."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    for name in ("params.yaml", "src/model/a.py", "src/loop/b.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    commit()
    return tmp_path


def commit() -> None:
    git("add", "-A")
    git("-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-q", "-m", "one")


def test_what_git_prints_comes_without_its_last_newline(repository: Path) -> None:
    assert len(git("rev-parse", "HEAD")) == 40
    assert git("ls-files", at=repository / "src").splitlines() == ["loop/b.py", "model/a.py"]


def test_nothing_differs_from_a_fresh_commit(repository: Path) -> None:
    assert changed("src/model", "params.yaml") == []


def test_files_that_differ_from_the_commit(repository: Path) -> None:
    (repository / "params.yaml").write_text("2\n")
    (repository / "src/model/new file.py").write_text("")
    (repository / "src/model/prévision.py").write_text("")
    (repository / "src/loop/b.py").write_text("2\n")
    assert sorted(changed("src/model", "params.yaml")) == [
        "params.yaml",
        "src/model/new file.py",
        "src/model/prévision.py",
    ]


def test_staged_moved_and_removed_files_differ_too(repository: Path) -> None:
    git("mv", "src/model/a.py", "src/model/c.py")
    assert sorted(changed("src/model")) == ["src/model/a.py", "src/model/c.py"]
    commit()
    (repository / "src/model/c.py").unlink()
    assert changed("src/model") == ["src/model/c.py"]


def test_ignored_files_do_not_differ(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.pyc\n")
    commit()
    (repository / "src/model/a.pyc").write_text("")
    assert changed("src/model") == []


def test_gits_own_words_are_in_the_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match=r"`git rev-parse HEAD` failed: fatal: not a git repository"):
        git("rev-parse", "HEAD", at=tmp_path)


def test_without_git_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git is not installed"):
        git("--version")
