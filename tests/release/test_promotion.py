"""What the promotion's pull request says: the gate's decision, and what somebody who merges should know first."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from slipway.gate.decision import keep
from slipway.registry.registry import Registry, open_registry
from slipway.release.promotion import report
from tests.report.reader import HOSTILE, as_shown, harmless

MODEL = "flight-delay"


def decision_on(challenger: str, champion: str | None, *, passed: bool = True) -> dict[str, Any]:
    """A decision as `slipway gate` writes it; test_gate.py holds the real one to these keys."""
    old = {"auc": 0.7432, "logloss": 0.48} if champion else None
    return {
        "challenger": challenger,
        "champion": champion,
        "passed": passed,
        "held_out": "2013-06",
        "many": "flights",
        "metric": "AUC",
        "rows": 27075,
        "checks": [
            {"name": "floor: AUC", "passed": True, "reason": "AUC is 0.7519; at least 0.62"},
            {
                "name": "better than the champion",
                "passed": passed,
                "reason": "AUC differs by +0.0087, 95% interval +0.0051 to +0.0125; its lower end must exceed 0",
            },
            {"name": "latency", "passed": True, "reason": "one flight is answered in 7.3 ms at the 99th percentile"},
        ],
        "scores": {"challenger": {"auc": 0.7519, "logloss": 0.47}, "champion": old},
        "difference": {"auc": 0.0087, "low": 0.0051, "high": 0.0125, "confidence": 0.95} if champion else None,
        "slices": [
            {"slice": "carrier UA", "rows": 4975, "challenger": 0.7401, "champion": 0.7451 if champion else None},
            {"slice": "carrier OO", "rows": 2, "challenger": None, "champion": None},
        ],
        "latency_p99_ms": 7.3,
    }


@pytest.fixture
def registry(tmp_path: Path, empty_database: Path) -> Registry:
    """A registry with three versions."""
    registry = open_registry(f"sqlite:///{shutil.copy(empty_database, tmp_path)}")
    for number in (1, 2, 3):
        folder = tmp_path / f"model-{number}"
        folder.mkdir()
        (folder / "metadata.json").write_text(f'{{"number": {number}}}', encoding="utf-8")
        registry.register_folder(MODEL, folder, {"git_sha": f"{number}" * 40}, {}, {"validation-auc.0": 0.7 + number})
    return registry


def decided(registry: Registry, number: int, champion: str | None, *, passed: bool = True) -> None:
    """Have a decision on a version in the registry."""
    spec = f"{MODEL}/{number}"
    keep(registry, registry.resolve(spec), decision_on(spec, champion, passed=passed))


def test_the_decision_with_its_reasons_and_slices_is_in_the_report(registry: Registry) -> None:
    decided(registry, 2, f"{MODEL}/1")
    text = report(registry, "production", f"{MODEL}/1", f"{MODEL}/2")
    assert f"In the place of {MODEL}/1." in text
    assert f"### Passed: {MODEL}/2 against {MODEL}/1" in text
    assert "On 27,075 flights of 2013-06, which neither has learnt from." in text
    assert "| ✓ | better than the champion | AUC differs by +0.0087, 95% interval +0.0051 to +0.0125" in text
    assert "| ✓ | latency | one flight is answered in 7.3 ms" in text
    assert "| auc | 0.7519 | 0.7432 |" in text
    folded = text.partition("<summary>AUC in each of 2 slices</summary>")[2].partition("</details>")[0]
    assert "| carrier UA | 4,975 | 0.7401 | 0.7451 | -0.0050 |" in folded
    assert "| carrier OO | 2 |  |  |  |" in folded
    assert text.count("<details>") == text.count("</details>") == 2
    assert "WARNING" not in text
    assert f"`{'1' * 40}` | `{'2' * 40}`" in text and "| gate |  | `passed` |" in text


def test_the_first_champion_had_nobody_to_beat(registry: Registry) -> None:
    decided(registry, 1, None)
    text = report(registry, "production", "", f"{MODEL}/1")
    assert f"### Passed: {MODEL}/1 with no champion to beat" in text
    assert "Nothing is served there yet." in text and "WARNING" not in text


def test_a_version_that_was_never_gated_is_called_that(registry: Registry) -> None:
    text = report(registry, "production", f"{MODEL}/1", f"{MODEL}/2")
    assert "> [!WARNING]\n> **The gate never looked at flight-delay/2.**" in text
    assert "`python -m slipway gate --challenger flight-delay/2`" in text
    assert "### " not in text


def test_a_tag_without_its_decision_is_no_decision(registry: Registry) -> None:
    registry.set_tag(registry.resolve(f"{MODEL}/2"), "gate", "passed")
    text = report(registry, "production", f"{MODEL}/1", f"{MODEL}/2")
    assert "> flight-delay/2 is tagged as passed by the gate, and why was not kept: run" in text


def test_a_refused_version_is_called_that_first_of_all(registry: Registry) -> None:
    decided(registry, 2, f"{MODEL}/1", passed=False)
    text = report(registry, "production", f"{MODEL}/1", f"{MODEL}/2")
    assert "> [!WARNING]\n> **The gate refused flight-delay/2**: better than the champion." in text
    assert text.index("WARNING") < text.index(f"### Refused: {MODEL}/2 against {MODEL}/1")


@pytest.mark.parametrize("champion", [f"{MODEL}/1", None])
def test_a_comparison_with_another_than_is_served_is_said(registry: Registry, champion: str | None) -> None:
    decided(registry, 3, champion)
    text = report(registry, "staging", f"{MODEL}/2", f"{MODEL}/3")
    against = champion or "no champion"
    assert f"> It was compared with {against}, and **staging serves flight-delay/2**." in text
    assert "`python -m slipway gate --challenger flight-delay/3 --champion flight-delay/2`" in text


def test_where_nothing_or_the_same_is_served_there_is_nothing_else_to_compare_with(registry: Registry) -> None:
    decided(registry, 3, f"{MODEL}/1")
    assert "WARNING" not in report(registry, "staging", "", f"{MODEL}/3")
    assert "WARNING" not in report(registry, "staging", f"{MODEL}/3", f"{MODEL}/3")


def test_gated_again_the_new_decision_counts(registry: Registry) -> None:
    decided(registry, 2, f"{MODEL}/1", passed=False)
    decided(registry, 2, f"{MODEL}/1")
    text = report(registry, "production", f"{MODEL}/1", f"{MODEL}/2")
    assert "WARNING" not in text and "Refused" not in text and "| gate |  | `passed` |" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_what_the_registry_and_the_data_say_is_shown_as_it_is(registry: Registry, text: str) -> None:
    new = registry.resolve(f"{MODEL}/2")
    for key in ("experiment", "train_image"):
        registry.set_tag(new, key, text)
    decision = decision_on(new.spec, text, passed=False)
    decision["slices"][0]["slice"] = decision["held_out"] = text
    decision["checks"][1] |= {"name": text, "reason": text}
    keep(registry, new, decision)
    shown = harmless(report(registry, "production", f"{MODEL}/1", new.spec))
    assert shown.count(as_shown(text).strip()) >= 7
    registry.set_tag(registry.resolve(f"{MODEL}/3"), "gate", text)
    assert "by the gate, and why was not kept" in harmless(report(registry, "staging", "", f"{MODEL}/3"))
