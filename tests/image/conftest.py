"""A Docker engine, a build context with data in it, and the images built from it: once for all tests here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.engine import Engine, NoEngine

from tests.conftest import ROOT, copy_repository, missing


def slipway(folder: Path, *arguments: str) -> None:
    """Run a verb in ``folder``, with the folder's own code."""
    subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "src"},
        check=True,
        capture_output=True,
        timeout=600,
    )


def wait_for(engine: Engine, container: str, url: str) -> None:
    """Wait until a container answers at ``url``; when it does not, its log is the failure."""
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            running = engine("inspect", "--format", "{{.State.Running}}", container).stdout.strip()
            if running != "true" or time.monotonic() > deadline:
                raise AssertionError(engine("logs", container).stderr) from None
            time.sleep(0.2)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The Docker engine; without one, or without the base image, what needs it is reported as not tested."""
    try:
        engine = Engine()
    except NoEngine as reason:
        missing(f"the images were not built, no Docker engine: {reason}")
    base = next(line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM "))
    if not engine.has_image(base) and engine("pull", "--quiet", base, check=False, timeout=300).returncode:
        missing(f"the images were not built: {base} cannot be pulled; `.ci/base-image` makes one")
    yield engine
    engine.remove("slipway-test")


@pytest.fixture(scope="session")
def pushed(full_months: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's files as Git has them, with January to May as they are made, prepared."""
    folder = tmp_path_factory.mktemp("pushed")
    copy_repository(folder)
    (folder / "data/flights").mkdir(parents=True, exist_ok=True)
    for month in sorted(full_months.glob("*.csv"))[:5]:
        shutil.copy(month, folder / "data/flights")
    slipway(folder, "prepare")
    slipway(folder, "image")
    return folder


@pytest.fixture(scope="session")
def image(engine: Engine, pushed: Path) -> str:
    """The train image of January to May."""
    return engine.build(pushed, "train", "slipway-test:pushed")


@pytest.fixture(scope="session")
def upper(engine: Engine, pushed: Path) -> list[str]:
    """The digests of the train image's layers above the packages: months, description, code, working folder."""
    return engine.layers(engine.build_without_packages(pushed, "slipway-test:upper"))


@pytest.fixture
def changed(pushed: Path, tmp_path: Path) -> Path:
    """A copy of the context, to change. The copies are new files: their times are not those of the first build."""
    folder = tmp_path / "changed"
    shutil.copytree(pushed, folder, copy_function=shutil.copyfile)
    return folder
