"""What a model is made of is found in the code's own imports, so nothing that somebody adds is forgotten."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.learning.provenance import PREPARE, TRAIN, code_of, unknown_to_dvc
from tests.conftest import ROOT


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of src/ that is free to be changed."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "src"


def names(source: Path, *modules: str) -> set[str]:
    return {path.as_posix() for path in code_of(*modules, source=source)}


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_what_reads_a_month_is_part_of_what_a_model_is_made_of() -> None:
    found = {path.as_posix() for path in code_of(PREPARE, TRAIN)}
    assert {"src/slipway/learning/check.py", "src/slipway/model/features.py", "src/slipway/params.py"} <= found
    assert not [name for name in found if name.startswith(("src/slipway/serving", "src/slipway/report"))]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("slipway/model/holidays.py", "from slipway.model.holidays import DAYS"),
        ("slipway/model/holidays.py", "from slipway.model import holidays"),
        ("slipway/model/holidays.py", "from . import holidays"),
        ("slipway/model/holidays.py", "from .holidays import DAYS as days"),
        ("slipway/calendars.py", "import slipway.calendars"),
        ("slipway/calendars.py", "def late():\n    from .. import calendars"),
        ("ours/calendars.py", "import ours.calendars as calendars"),
        ("ours/__init__.py", "import ours"),
    ],
)
def test_a_module_of_a_teams_own_is_found_wherever_it_stands(source: Path, module: str, line: str) -> None:
    (source / module).parent.mkdir(exist_ok=True)
    (source / module).write_text("DAYS = ()\n")
    before = names(source, TRAIN)
    append(source / "slipway/model/features.py", f"\n{line}\n")
    assert names(source, TRAIN) - before == {f"src/{module}"}


def test_a_module_is_found_behind_another(source: Path) -> None:
    append(source / "slipway/model/features.py", "\nimport one\n")
    (source / "one.py").write_text("import two\n")
    (source / "two.py").write_text("import one\n")
    assert {"src/one.py", "src/two.py"} <= names(source, PREPARE)


def test_what_is_read_for_its_types_alone_decides_nothing(source: Path) -> None:
    before = names(source, TRAIN)
    append(
        source / "slipway/model/features.py",
        "\nif TYPE_CHECKING:\n    from slipway.serving.app import App\nelse:\n    import one\n",
    )
    (source / "one.py").write_text("")
    assert names(source, TRAIN) - before == {"src/one.py"}


def test_code_that_is_no_python_is_named(source: Path) -> None:
    append(source / "slipway/model/features.py", "\ndef (:\n")
    with pytest.raises(UserError, match=r"src/slipway/model/features\.py, line \d+: .*: correct it\."):
        code_of(TRAIN, source=source)


def test_dvc_must_know_all_of_it() -> None:
    deps = ["data/flights", "src/slipway/model", "src/slipway/learning", "src/slipway/params.py"]
    missing = unknown_to_dvc(
        {"stages": {"prepare": {"deps": deps}, "train": {"deps": ["src"]}, "evaluate": {"deps": ["src"]}}}
    )
    assert ("prepare", "src/slipway/errors.py") in missing
    assert {stage for stage, _ in missing} == {"prepare"}
    assert not [path for _, path in missing if path.startswith(("src/slipway/model", "src/slipway/learning"))]


def test_a_row_filter_without_a_new_run_is_noticed_by_every_verb_that_would_pass_it_on(
    source: Path, workspace: Path
) -> None:
    """The filter changes the matrices, so a model of the old ones is not this code's."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, "-m", "slipway", *words], env=environment, capture_output=True, text=True
        )

    shutil.copy(ROOT / "slipway.yaml", workspace)
    check = source / "slipway/learning/check.py"
    check.write_text(check.read_text().replace("    return frame\n", "    return frame[frame['distance'] > 300]\n"))
    for words in (["train"], ["evaluate"]):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            "data/prepared was prepared by other code than stands here now: `python -m slipway prepare`" in done.stderr
        )
    done = run("register")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "models/current was made by other code or parameters than stand here now (src/slipway/learning/check.py)"
        in done.stderr
    )
    assert not (workspace / "mlflow.db").exists()
