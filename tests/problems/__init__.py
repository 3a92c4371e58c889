"""The template's own small problems, each as a team would declare it, and a place to work on one.

`tests/problems/<name>/` holds ``problem.py``, ``schema.py`` and ``features.py``, which become ``src/slipway/model`` of
a scratch repository; `params.yaml` (and `experiment.yaml`, for a search); and `data.py`, whose `write(folder,
parts)` writes the first files of made-up data, the same bytes every time. What a team may change is not read.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
MODEL = "src/slipway/model"
_ROOMS = shutil.ignore_patterns("model", "__pycache__")


@dataclass(frozen=True)
class Workplace:
    """A scratch repository: the template's rooms, and a small problem in the place of the team's.

    Verbs run in processes of their own, which import from here: the tests' own process has the live model.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to import this repository's code."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"PYTHONPATH": str(self.folder / "src"), "PATH": path, "DVC_NO_ANALYTICS": "1"}

    def run(self, *command: str, ends: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command here, which must end with ``ends``."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == ends, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def slipway(self, *arguments: str, ends: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a verb here, which must end with ``ends``."""
        return self.run(sys.executable, "-m", "slipway", *arguments, ends=ends)

    def verbs(self, *verbs: str) -> str:
        """Run several verbs in one process, which imports only once; what they print. Each must end with 0."""
        code = (
            "import sys; from slipway.__main__ import main; sys.exit(max(main(verb.split()) for verb in sys.argv[1:]))"
        )
        return self.run(sys.executable, "-c", code, *verbs).stdout

    def python(self, code: str) -> Any:
        """What a few lines print as JSON."""
        return json.loads(self.run(sys.executable, "-c", code).stdout)

    def read(self, path: str) -> Any:
        """A JSON file of this repository."""
        return json.loads((self.folder / path).read_text(encoding="utf-8"))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands in a file once."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
        (self.folder / path).write_text(text.replace(old, new), encoding="utf-8")


def workplace(name: str, folder: Path, parts: int) -> Workplace:
    """Make a scratch repository in ``folder`` for the problem ``name``, with its first ``parts`` files of data."""
    shutil.copytree(ROOT / "src/slipway", folder / "src/slipway", ignore=_ROOMS)
    model = folder / MODEL
    model.mkdir()
    (model / "__init__.py").write_text('"""A small problem."""\n', encoding="utf-8")
    for file in ("problem.py", "schema.py", "features.py"):
        shutil.copy(HERE / name / file, model)
    shutil.copy(HERE / name / "params.yaml", folder)
    shutil.copytree(ROOT / "loadtest", folder / "loadtest")
    if (HERE / name / "experiment.yaml").exists():
        (folder / "k8s/katib").mkdir(parents=True)
        shutil.copy(HERE / name / "experiment.yaml", folder / "k8s/katib")
    write(name, folder, parts)
    return Workplace(folder)


def write(name: str, folder: Path, parts: int) -> None:
    """Write the first ``parts`` files of a problem's data into the repository at ``folder``."""
    importlib.import_module(f"tests.problems.{name}.data").write(folder, parts)
