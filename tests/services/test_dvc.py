"""The data's way: pushed from one clone, pulled into another, through a real S3 server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.conftest import ROOT
from tests.services.s3 import S3

pytestmark = pytest.mark.services

DVC = Path(sys.executable).with_name("dvc")
MONTHS = {"2013-01.csv": b"date,carrier\n2013-01-01,UA\n", "2013-02.csv": b"date,carrier\n2013-02-01,AA\n"}


@dataclass
class Clone:
    """A working copy, and the environment of who works in it."""

    folder: Path
    env: dict[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env={
                "PATH": f"{DVC.parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(self.folder.parent),  # no ~/.aws, no DVC cache of a person's
                "XDG_CONFIG_HOME": str(self.folder.parent),
                "GIT_CONFIG_GLOBAL": os.devnull,
                "DVC_NO_ANALYTICS": "1",
                **self.env,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )

    def do(self, *command: str | Path) -> str:
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def commit(self, message: str) -> None:
        self.do("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", message)


@pytest.fixture(scope="module")
def pushed(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with the repository's own .dvc/config whose months are in Git's and DVC's remotes."""
    folder = tmp_path_factory.mktemp("pushed")
    clone = Clone(folder / "clone", s3.env)
    clone.folder.mkdir()
    clone.do("git", "init", "--quiet", "--initial-branch=main")
    for file in (".dvc/config", ".dvc/.gitignore", ".dvcignore"):
        (clone.folder / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, clone.folder / file)
    months = clone.folder / "data" / "flights"
    months.mkdir(parents=True)
    for name, content in MONTHS.items():
        (months / name).write_bytes(content)
    clone.do(DVC, "add", "--quiet", "data/flights")
    clone.do("git", "add", ".")
    clone.commit("Two months")
    clone.do(DVC, "push", "--quiet")
    clone.do("git", "init", "--quiet", "--bare", "--initial-branch=main", "../git")
    clone.do("git", "push", "--quiet", "../git", "main")
    return clone


def another(pushed: Clone, folder: Path, env: dict[str, str]) -> Clone:
    clone = Clone(folder / "clone", env)
    pushed.do("git", "clone", "--quiet", "../git", clone.folder)
    return clone


def test_what_one_clone_pushed_another_pulls(pushed: Clone, s3: S3, tmp_path: Path) -> None:
    clone = another(pushed, tmp_path, s3.env)
    clone.do(DVC, "pull", "--quiet")
    got = {path.name: path.read_bytes() for path in (clone.folder / "data" / "flights").iterdir()}
    assert got == MONTHS


def test_a_wrong_secret_pulls_nothing(pushed: Clone, s3: S3, tmp_path: Path) -> None:
    clone = another(pushed, tmp_path, {**s3.env, "AWS_SECRET_ACCESS_KEY": "guessed"})
    refused = clone.run(DVC, "pull")
    assert refused.returncode != 0
    assert "Forbidden" in refused.stderr
    assert not (clone.folder / "data" / "flights").exists()


def test_no_credential_is_written_down(pushed: Clone, s3: S3) -> None:
    """Neither into DVC's or Git's files nor into any commit; the cache holds the data only."""
    assert not (pushed.folder / ".dvc" / "config.local").exists()
    history = pushed.do("git", "log", "--all", "--patch")
    written = [history] + [
        path.read_bytes().decode(errors="replace")
        for path in pushed.folder.rglob("*")
        if path.is_file() and "objects" not in path.parts
    ]
    for word in (s3.key, s3.secret, s3.endpoint):
        assert not any(word in text for text in written)
    assert pushed.do("git", "status", "--porcelain") == ""
