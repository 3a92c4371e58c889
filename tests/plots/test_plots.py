"""Plots: right numbers, the same bytes anywhere, readable by anyone, and no surprise on odd data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from slipway.plots import figure, plots, tasks


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    """Answers and probabilities with many ties."""
    random = np.random.default_rng(5)
    probabilities = np.round(random.beta(1, 3, 2000), 2).astype(np.float32)
    return (random.random(2000) < probabilities).astype(np.float32), probabilities


def text(path: Path) -> str:
    """All text of an SVG, in the order it stands there; the file must be well-formed."""
    return " ".join("".join(ElementTree.fromstring(path.read_text(encoding="utf-8")).itertext()).split())  # noqa: S314


def panel(**changes: Any) -> dict[str, Any]:
    """A column that moved."""
    return {
        "name": "temp", "unit": "°F", "index": 0.31, "level": "alert", "numeric": True,
        "labels": ["0", "10", "20"], "before": [0.5, 0.3, 0.1], "after": [0.1, 0.3, 0.5], "missing": (0.1, 0.1),
    } | changes  # fmt: skip


def test_the_curves_are_scikit_learns(scored: tuple[np.ndarray, np.ndarray]) -> None:
    answers, probabilities = scored
    found = tasks.curves(answers, probabilities)
    assert found["auc"] == pytest.approx(roc_auc_score(answers, probabilities), abs=1e-12)
    assert found["average_precision"] == pytest.approx(average_precision_score(answers, probabilities), abs=1e-12)
    assert found["recall"][[0, -1]].tolist() == [0, 1]
    assert found["false_alarms"][[0, -1]].tolist() == [0, 1]
    assert len(found["recall"]) == len(np.unique(probabilities)) + 1


def test_the_title_is_the_finding(tmp_path: Path) -> None:
    answers = np.tile([1.0, 0.0, 0.0, 0.0], 100)
    for predicted, says in ((0.35, "10.0 points too high: 35.0% expected late, 25.0% were"), (0.25, "about right")):
        tasks.draw_calibration(tmp_path / "plot.svg", "2013-05", answers, np.full(400, predicted, np.float32))
        assert says in text(tmp_path / "plot.svg")


def test_the_same_numbers_give_the_same_bytes_whatever_the_person_has_set(
    tmp_path: Path, scored: tuple[np.ndarray, np.ndarray]
) -> None:
    import matplotlib as mpl

    tasks.draw_curves(tmp_path / "one.svg", "2013-05", *scored)
    with mpl.rc_context({"lines.linewidth": 9, "font.family": "serif", "axes.facecolor": "red"}):
        tasks.draw_curves(tmp_path / "two.svg", "2013-05", *scored)
        assert mpl.rcParams["lines.linewidth"] == 9
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_another_process_gives_the_same_bytes_and_no_date(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from slipway.plots.plots import draw_importance; draw_importance("
        "Path(sys.argv[1]), [{'feature': 'temp', 'share': 0.7, 'least': 0.6, 'most': 0.8}, "
        "{'feature': 'dest', 'share': 0.3, 'least': 0.2, 'most': 0.4}])"
    )
    for name, seed in (("one", "1"), ("two", "2")):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)], check=True, timeout=120,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(plots.__file__).parents[2])},
        )  # fmt: skip
    one = (tmp_path / "one").read_text()
    assert one == (tmp_path / "two").read_text()
    assert "<dc:date>" not in one
    assert "temp and dest bring 100% of the gain" in text(tmp_path / "one")


def test_every_colour_can_be_put_in_a_dark_page(workspace: Path) -> None:
    for path in (workspace / "reports/plots").glob("*.svg"):
        used = set(re.findall(r"#[0-9a-f]{6}\b", path.read_text(encoding="utf-8").lower()))
        assert used <= set(figure.COLOURS), path.name


def test_it_fits_640_pixels_and_its_text_is_text(workspace: Path) -> None:
    for path in (workspace / "reports/plots").glob("*.svg"):
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314
        assert root.attrib["width"] == "480pt"  # 640 CSS pixels
        assert "<text" in path.read_text() and "DejaVu" not in path.read_text()


def test_names_are_text_whatever_is_in_them(tmp_path: Path) -> None:
    name = r"<b>$x^{2}$ & \frac"
    plots.draw_importance(
        tmp_path / "plot.svg",
        [{"feature": name, "share": 1.0, "least": 1.0, "most": 1.0}],
    )
    assert name in text(tmp_path / "plot.svg")
    plots.draw_drift(
        tmp_path / "drift.svg", [panel(name=name, numeric=False, labels=[name, "$", "&"])], "before <i>", "after $"
    )
    assert name in text(tmp_path / "drift.svg") and "before <i>" in text(tmp_path / "drift.svg")


def test_drift_names_what_moved_and_keeps_quiet_when_nothing_did(tmp_path: Path) -> None:
    many = [panel(name=f"column{i}") for i in range(5)] + [panel(name="still", level="", index=0.0, missing=(0.0, 0.0))]
    plots.draw_drift(tmp_path / "plot.svg", many, "2013-01 to 2013-04", "2013-05")
    said = text(tmp_path / "plot.svg")
    assert "column0, column1, column2 and others moved" in said
    assert "still (°F) 0.00" in said and "none" in said
    plots.draw_drift(tmp_path / "plot.svg", [panel(level="", index=0.0)], "2013-01 to 2013-04", "2013-05")
    assert "No column moved by more than the warning level" in text(tmp_path / "plot.svg")


@pytest.mark.parametrize("count", [1, 2, 24])
def test_any_number_of_months(tmp_path: Path, count: int) -> None:
    months = [
        {
            "name": f"20{13 + place // 12}-{place % 12 + 1:02}", "learnt": place < count - 1, "rows": 1000,
            "auc": None if place == 3 else 0.7, "error": None if place == 3 else 0.01, "mean_answer": 0.2,
            "mean_prediction": 0.25,
        }
        for place in range(count)
    ]  # fmt: skip
    plots.draw_parts(tmp_path / "plot.svg", months)
    said = text(tmp_path / "plot.svg")
    assert f"AUC 0.7 on {months[-1]['name']}" in said
    assert ("on the months it learnt from" in said) == (count > 1)


def test_nothing_but_the_plots_imports_matplotlib() -> None:
    package = Path(plots.__file__).parents[1]
    imports = re.compile(r"^\s*(import|from) matplotlib", re.MULTILINE)
    importers = {path.name for path in package.rglob("*.py") if imports.search(path.read_text(encoding="utf-8"))}
    assert importers == {"figure.py", "plots.py"}
    code = "import sys; import slipway.learning.evaluate, slipway.report.report; assert 'matplotlib' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=120, env=os.environ | {"PYTHONPATH": str(package.parent)}
    )
