"""A clone of the repository with three small months, tracked and committed, and a small model in build/model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from slipway.names import load_names
from tests.conftest import as_the_template
from tests.services.processes import Server

ROOT = Path(__file__).parents[2]
COMMIT = "Three small months"
SMALL = {
    "train": {"members": 2, "rounds": 15},
    "gate": {"floors": {"auc": 0.5}, "ceilings": {"ece": 1.0}, "latency_p99_ms": 60_000.0},
}
AUTHOR = ("-c", "user.name=A", "-c", "user.email=a@example.org")

# One process, so that pandas is imported once.
MAKE = f"""
import subprocess, sys
from pathlib import Path
from slipway.__main__ import main
from slipway.learning.data import sample_parts

for month, text in sample_parts(["2013-01", "2013-02", "2013-03"]).items():
    head, *rows = text.splitlines(keepends=True)
    Path("data/flights", month + ".csv").write_text(head + "".join(rows[::10]))
subprocess.run(["dvc", "add", "--quiet", "data/flights"], check=True)
prepared = main(["prepare"])
subprocess.run(["git", *{AUTHOR!r}, "commit", "--quiet", "-am", {COMMIT!r}], check=True)
sys.exit(prepared or main(["train", "--final", "--out", "build/model"]))
"""


def plain_environment() -> dict[str, str]:
    """An environment with no address and no credentials in it."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT / "src"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "DVC_NO_ANALYTICS": "1",
    }


class SmallModel:
    """The clone, which is being made in a process of its own; :meth:`wait` for it."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.clone)], check=True)
        as_the_template(self.clone)
        self._keep_in(load_names(ROOT / "slipway.yaml").storage.models)
        params = yaml.safe_load((self.clone / "params.yaml").read_text())
        for section, values in SMALL.items():
            params[section] |= values
        (self.clone / "params.yaml").write_text(yaml.safe_dump(params))
        (self.clone / "data/flights").mkdir(parents=True, exist_ok=True)
        self.making = Server(
            "the small model", [sys.executable, "-c", MAKE], folder / "make.log", plain_environment(), cwd=self.clone
        )

    def _keep_in(self, bucket: str) -> None:
        """Have the clone's names say where the server keeps models: the page it is started from says the same."""
        path = self.clone / "slipway.yaml"
        before = path.read_text(encoding="utf-8")
        path.write_text(before.replace(load_names(path).storage.models, bucket), encoding="utf-8")

    def wait(self) -> Path:
        """The clone, once it is made."""
        assert self.making.process.wait(180) == 0, self.making.tail()
        return self.clone
