"""One run of the loop, as a stranger would start it, that every test here looks at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Demo:
    """A clean clone in which `make demo` was run."""

    clone: Path
    output: str

    @property
    def out(self) -> Path:
        """What the demo left."""
        return self.clone / "build/demo"

    @property
    def loop(self) -> dict[str, Any]:
        """What the page was made from."""
        loop: dict[str, Any] = json.loads((self.out / "loop.json").read_text(encoding="utf-8"))
        return loop

    def step(self, title: str) -> dict[str, Any]:
        """One of its steps."""
        return next(step for step in self.loop["steps"] if step["title"] == title)


def clean_clone(at: Path) -> Path:
    """A clone of the commit that is checked out, with this repository's .venv, so that `make` has nothing to set up."""
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(at)], check=True)
    return with_our_venv(at)


def with_our_venv(at: Path) -> Path:
    """Give a clone this repository's .venv, older requirements than it, and so nothing for `make` to set up."""
    for requirements in (at / "requirements").glob("*.txt"):
        os.utime(requirements, (0, 0))
    (at / ".venv").symlink_to(REPOSITORY / ".venv")
    return at


def stranger() -> dict[str, str]:
    """The environment of somebody who just cloned: nothing of ours is set, but for the number of threads."""
    ours = ("SLIPWAY_", "MLFLOW_", "PYTHONPATH", "DVC_", "AWS_", "PYTEST_", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """`make demo` in a clean clone of the commit that is checked out (uncommitted changes are not in it)."""
    clone = clean_clone(tmp_path_factory.mktemp("demo") / "clone")
    done = subprocess.run(
        ["make", "demo"], cwd=clone, env=stranger(), text=True, timeout=900,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    return Demo(clone, done.stdout)


@pytest.fixture
def demo_clone(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the clone that the demo leaves, to do with as one likes."""
    copy = tmp_path / "clone"
    shutil.copytree(demo.out / "clone", copy, symlinks=True)
    shutil.copytree(demo.out / "origin.git", tmp_path / "origin.git")
    shutil.copytree(demo.out / "dvc-remote", tmp_path / "dvc-remote")
    subprocess.run(["git", "remote", "set-url", "origin", str(tmp_path / "origin.git")], cwd=copy, check=True)
    return with_our_venv(copy)
