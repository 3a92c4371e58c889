"""Questions to a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.git import changed, cut_off, git, newest_change


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


def test_the_newest_change_of_a_file_and_none(repository: Path) -> None:
    first = git("rev-parse", "HEAD")
    (repository / "params.yaml").write_text("2\n")
    commit()
    assert (newest_change("src/model"), newest_change("params.yaml")) == (first, git("rev-parse", "HEAD"))
    assert newest_change("nothing.yaml") == "" and cut_off() == frozenset()


def test_where_a_shallow_clone_ends_nobody_knows_which_commit_changed_what(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("2\n", "3\n"):
        (repository / "params.yaml").write_text(text)
        commit()
    clone = tmp_path_factory.mktemp("clone") / "shallow"
    git("clone", "-q", "--depth", "2", f"file://{repository}", str(clone))
    monkeypatch.chdir(clone / "src")
    assert cut_off() == {git("rev-parse", "HEAD~1")}, "from a folder below, too"
    assert newest_change("../params.yaml") == git("rev-parse", "HEAD")
    with pytest.raises(UserError, match=r"which commit changed model last is not known, .*`git fetch --unshallow`"):
        newest_change("model")
    git("fetch", "-q", "--unshallow")
    assert newest_change("model") == git("rev-list", "--max-parents=0", "HEAD")
