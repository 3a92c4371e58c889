"""Where a benchmark works: a folder with the repository's settings and data, and the train image's packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRATCH = ROOT / "build/benchmarks"
YEAR = [f"2013-{month:02}" for month in range(1, 13)]
SETTINGS = ("params.yaml", "slipway.yaml")
IN_CONTEXT = ("Dockerfile", ".dockerignore", "data/flights.dvc", "dvc.yaml", "k8s/katib", "requirements", "src/slipway")


def environment(**more: str) -> dict[str, str]:
    """What a measured process gets: this repository's code and nothing that slows or speeds it up."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SSL_CERT_FILE") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT / "src"), "DVC_NO_ANALYTICS": "1"} | more


def slipway(folder: Path, *arguments: str, python: str = sys.executable) -> str:
    """Run a verb in ``folder``; returns what it printed."""
    done = subprocess.run(
        [python, "-m", "slipway", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode:
        raise RuntimeError(f"slipway {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def repository(name: str, months: Sequence[str]) -> Path:
    """A fresh folder with the repository's settings and ``months`` in data/flights."""
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for setting in SETTINGS:
        shutil.copyfile(ROOT / setting, folder / setting)
    slipway(folder, "data", "make", "--parts", *months)
    return folder


def lengthen(flights: Path, years: int) -> None:
    """Give ``flights`` the first ``years`` years: 2013, and 2013 again under other dates."""
    for name in YEAR:
        text = (flights / f"{name}.csv").read_text()
        for year in range(2014, 2013 + years):
            copy = flights / f"{year}{name[4:]}.csv"
            if not copy.exists():
                copy.write_text(text.replace("\n2013-", f"\n{year}-"))


def context(name: str, months: Sequence[str]) -> Path:
    """A fresh folder that images can be built in, with ``months`` made and prepared and the Dockerfile in step."""
    folder = repository(name, months)
    for path in IN_CONTEXT:
        source = ROOT / path
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, folder / path)
        else:
            shutil.copyfile(source, folder / path)
    slipway(folder, "prepare")
    slipway(folder, "image")
    return folder


def train_python() -> str:
    """The interpreter of an environment with the train image's packages, compiled as there."""
    lock = ROOT / "requirements/train.txt"
    return python_with("train", ["--no-deps", "--require-hashes", "--compile-bytecode", "--requirements", str(lock)])


def python_with(name: str, install: Sequence[str]) -> str:
    """The interpreter of an environment that `uv pip install` was given ``install`` for: made once, kept."""
    digest = hashlib.sha256("\n".join(install).encode())
    for lock in filter(os.path.isfile, install):
        digest.update(Path(lock).read_bytes())
    folder = SCRATCH / f"{name}-{digest.hexdigest()[:12]}"
    python = folder / "bin/python"
    if not (folder / ".ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *install], check=True)
        (folder / ".ready").touch()
    return str(python)
