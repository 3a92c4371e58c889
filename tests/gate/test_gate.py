"""Who passes the gate, who does not, and why."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from slipway.__main__ import main
from slipway.errors import UserError
from slipway.gate import gate
from slipway.gate.decision import kept
from slipway.gate.gate import Check, compare
from slipway.learning.ensemble import load_ensemble
from slipway.learning.matrices import Rows
from slipway.params import Gate, load_params
from slipway.registry.registry import content_sha256, open_registry
from tests.conftest import ROOT, TEMPLATE
from tests.gate.conftest import BLIND_TO, Workshop
from tests.sample import ONE_EACH, sides

RULES = load_params(TEMPLATE / "params.yaml").gate.model_copy(
    update={
        "floors": {"auc": 0.55},
        "ceilings": {"logloss": 0.7, "ece": 0.3},
        "slice_min_rows": 60,
        "resamples": 200,
    }
)
LENIENT = RULES.model_copy(update={"slice_max_drop": 0.5, "latency_p99_ms": 60_000.0})


def weigh(
    workshop: Workshop, challenger: str, champion: str | None, rules: Gate = LENIENT
) -> tuple[dict[str, Check], dict[str, Any]]:
    """Compare two models of the workshop; the checks by name, and the evidence."""
    models = [
        None if name is None else load_ensemble(workshop.folder / "models" / name) for name in (challenger, champion)
    ]
    assert models[0]
    checks, evidence = compare(
        models[0], models[1], sides(workshop.folder), ONE_EACH, rules, workshop.folder / "data/flights"
    )
    return {check.name: check for check in checks}, evidence


BETTER = "better than the champion"


def test_a_better_challenger_passes(workshop: Workshop) -> None:
    checks, evidence = weigh(workshop, "challenger", "champion")
    assert all(check.passed for check in checks.values())
    assert list(checks) == ["floor: AUC", "ceiling: log loss", "ceiling: calibration error", BETTER, "no slice drops"]
    difference = evidence["difference"]
    assert 0 < difference["low"] < difference["gain"] < difference["high"]
    assert difference["gain"] == pytest.approx(
        evidence["scores"]["challenger"]["auc"] - evidence["scores"]["champion"]["auc"], abs=1e-6
    )


def test_a_worse_challenger_is_refused(workshop: Workshop) -> None:
    checks, evidence = weigh(workshop, "champion", "challenger")
    assert not checks[BETTER].passed
    assert "its lower end must exceed 0" in checks[BETTER].reason
    assert evidence["difference"]["high"] < 0


def test_the_same_model_is_refused(workshop: Workshop) -> None:
    checks, evidence = weigh(workshop, "challenger", "challenger", RULES)
    assert [name for name, check in checks.items() if not check.passed] == [BETTER]
    assert evidence["difference"] | {"confidence": 0} == {
        "metric": "auc",
        "gain": 0,
        "low": 0,
        "high": 0,
        "confidence": 0,
    }


def test_better_but_not_by_the_margin_is_refused(workshop: Workshop) -> None:
    _, evidence = weigh(workshop, "challenger", "champion")
    margin = evidence["difference"]["low"] + 0.001
    checks, _ = weigh(workshop, "challenger", "champion", LENIENT.model_copy(update={"margin": margin}))
    assert not checks[BETTER].passed
    assert f"its lower end must exceed {margin:g}" in checks[BETTER].reason


def test_without_a_champion_the_floors_decide(workshop: Workshop) -> None:
    checks, evidence = weigh(workshop, "challenger", None)
    assert list(checks) == ["floor: AUC", "ceiling: log loss", "ceiling: calibration error"]
    assert all(check.passed for check in checks.values())
    assert evidence["difference"] is None
    assert evidence["scores"]["champion"] is None
    assert all(part["champion"] is None for part in evidence["slices"])


@pytest.mark.parametrize(
    ("rule", "limit", "name", "said"),
    [
        ("floors", {"auc": 0.999}, "floor: AUC", "at least 0.999"),
        ("ceilings", {"logloss": 0.001}, "ceiling: log loss", "at most 0.001"),
        ("ceilings", {"ece": 0.0001}, "ceiling: calibration error", "at most 0.0001"),
    ],
)
def test_a_floor_that_is_missed_refuses_even_a_better_model(
    workshop: Workshop, rule: str, limit: dict[str, float], name: str, said: str
) -> None:
    checks, _ = weigh(workshop, "challenger", "champion", LENIENT.model_copy(update={rule: limit}))
    assert checks[BETTER].passed
    assert [failed for failed, check in checks.items() if not check.passed] == [name]
    assert said in checks[name].reason


def test_a_slice_that_drops_refuses_although_the_whole_is_better(workshop: Workshop) -> None:
    rules = RULES.model_copy(update={"slice_max_drop": 0.1})
    checks, evidence = weigh(workshop, "blind", "champion", rules)
    assert checks[BETTER].passed
    assert not checks["no slice drops"].passed
    assert checks["no slice drops"].reason.startswith(f"carrier {BLIND_TO} by 0.")
    assert "at most 0.1" in checks["no slice drops"].reason
    part = next(p for p in evidence["slices"] if p["slice"] == f"carrier {BLIND_TO}")
    assert part["champion"] - part["challenger"] > 0.1


def test_a_slice_too_small_to_judge_is_shown_and_not_judged(workshop: Workshop) -> None:
    checks, evidence = weigh(workshop, "blind", "champion", RULES.model_copy(update={"slice_min_rows": 10_000}))
    assert checks["no slice drops"].passed
    assert checks["no slice drops"].reason == "no slice has 10000 rows, so none is judged"
    assert any(part["slice"] == f"carrier {BLIND_TO}" for part in evidence["slices"])


@pytest.mark.parametrize("role", ["challenger", "champion"])
@pytest.mark.parametrize("months", [["2013-03", "2013-04"], ["2013-05"]])
def test_a_model_that_has_seen_the_hold_out_or_what_came_after_is_not_comparable(
    workshop: Workshop, role: str, months: list[str]
) -> None:
    models = {name: load_ensemble(workshop.folder / "models" / name) for name in ("challenger", "champion")}
    models[role].metadata = models[role].metadata | {"trained_on": months}
    with pytest.raises(UserError, match=f"the {role} was trained on {months[-1]}, and 2013-04 is held out"):
        compare(
            models["challenger"], models["champion"], sides(workshop.folder), ONE_EACH, RULES,
            workshop.folder / "data/flights",
        )  # fmt: skip


@pytest.fixture
def inside(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like the workshop's whose params.yaml a test may change."""
    for name in ("data", "models", "slipway.yaml"):
        (tmp_path / name).symlink_to(workshop.folder / name)
    with_rules(tmp_path, **{name: getattr(LENIENT, name) for name in Gate.model_fields})
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with contextlib.chdir(tmp_path):
        yield tmp_path


def with_rules(folder: Path, **rules: Any) -> None:
    """Write params.yaml with other numbers for the gate."""
    path = folder / "params.yaml"
    document = yaml.safe_load((path if path.exists() else TEMPLATE / "params.yaml").read_text())
    document["gate"] |= rules
    path.write_text(yaml.safe_dump(document))


FOLDERS = ("gate", "--challenger", "models/challenger", "--champion", "models/champion")


def test_the_decision_is_written_for_machines_and_for_people(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the real server, with a time that no server keeps: the one check that fails refuses."""
    with_rules(inside, latency_p99_ms=0.001)
    assert main([*FOLDERS]) == 1
    decision = json.loads((inside / "build/gate/decision.json").read_text())
    assert list(decision) == [
        "challenger", "champion", "passed", "held_out", "rows", "many", "metric", "checks", "scores", "difference",
        "slices", "latency_p99_ms",
    ]  # fmt: skip
    assert decision["challenger"] == "models/challenger"
    assert decision["champion"] == "models/champion"
    assert decision["passed"] is False
    assert decision["held_out"] == "2013-04"
    assert decision["rows"] == 1470
    assert [c["name"] for c in decision["checks"] if not c["passed"]] == ["latency"]
    assert all(set(c) == {"name", "passed", "reason"} for c in decision["checks"])
    assert set(decision["scores"]["challenger"]) == {"auc", "logloss", "brier", "ece"}
    assert set(decision["difference"]) == {"metric", "gain", "low", "high", "confidence"}
    assert {tuple(part) for part in decision["slices"]} == {("slice", "rows", "challenger", "champion")}
    assert decision["latency_p99_ms"] > 0.001
    page = (inside / "build/gate/decision.md").read_text()
    assert page.startswith("## Refused: models/challenger against models/champion\n")
    assert "On 1,470 flights of 2013-04, which neither has learnt from." in page
    assert "| ✗ | latency | one flight is answered in " in page
    assert "; at most 0.001 ms |" in page
    assert "| ✓ | better than the champion | better in AUC by +0." in page
    assert (
        f"| auc | {decision['scores']['challenger']['auc']:.4f} | {decision['scores']['champion']['auc']:.4f} |" in page
    )
    assert page in capsys.readouterr().out


def test_versions_of_the_registry(inside: Path, empty_database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first passes on the floors and becomes champion; a worse one is refused and stays challenger."""
    shutil.copy(empty_database, inside)
    registry = open_registry()
    first = registry.register_folder("flight-delay", Path("models/challenger"))
    registry.set_alias("flight-delay", "challenger", first.version)
    assert main(["gate", "--set-champion"]) == 0
    assert "## Passed: flight-delay/1 with no champion to beat" in capsys.readouterr().out
    assert registry.aliases("flight-delay")["champion"] == 1
    worse = registry.register_folder("flight-delay", Path("models/champion"))
    registry.set_alias("flight-delay", "challenger", worse.version)
    assert main(["gate", "--set-champion"]) == 1
    assert "## Refused: flight-delay/2 against flight-delay/1" in capsys.readouterr().out
    assert registry.aliases("flight-delay") == {"champion": 1, "challenger": 2}
    assert [registry.resolve(f"flight-delay/{n}").tags["gate"] for n in (1, 2)] == ["passed", "refused"]

    # What was decided lies beside the version as it lies in build/gate; asked again, the new decision takes its place.
    decision = kept(registry, worse)
    assert decision == json.loads(Path("build/gate/decision.json").read_text())
    assert registry.attached(worse, "gate/decision.md") == Path("build/gate/decision.md").read_text()
    assert decision and decision["champion"] == "flight-delay/1" and not decision["passed"]
    first_decision = kept(registry, first)
    assert first_decision and first_decision["champion"] is None and first_decision["passed"]
    content = content_sha256(registry.download(worse, inside / "again"))
    assert content == worse.tags["content_sha256"], "the version itself is as it was"
    assert main(["gate", "--challenger", "flight-delay/1", "--champion", "flight-delay/2"]) == 0
    again = kept(registry, first)
    assert again and again["champion"] == "flight-delay/2"


def test_a_decision_that_cannot_be_kept_moves_no_alias(
    inside: Path, empty_database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(empty_database, inside)
    registry = open_registry()
    version = registry.register_folder("flight-delay", Path("models/challenger"))
    folder = Path(registry.storage_uri(version).removeprefix("file://")).parent
    (folder / "gate").write_text("a file where the decision's folder should be")
    assert main(["gate", "--challenger", version.spec, "--set-champion"]) == 2
    said = capsys.readouterr()
    assert "## Passed: flight-delay/1" in said.out, "what was decided is said all the same"
    assert "writing gate/decision.json, gate/decision.md beside flight-delay/1" in said.err
    assert "Traceback" not in said.err
    assert registry.aliases("flight-delay") == {} and "gate" not in registry.resolve(version.spec).tags
    assert not list(Path("build/gate").glob("decision.*"))


def test_a_champion_that_changed_while_it_was_compared_with_keeps_its_alias(
    inside: Path, empty_database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(empty_database, inside)
    registry = open_registry()
    for number, name in enumerate(("champion", "challenger", "blind"), 1):
        assert registry.register_folder("flight-delay", Path("models", name)).version == number
    registry.set_alias("flight-delay", "champion", 1)
    in_time = gate.latencies

    def another_gate_is_faster(*asked: Any) -> Any:
        registry.set_alias("flight-delay", "champion", 3)
        return in_time(*asked)

    monkeypatch.setattr(gate, "latencies", another_gate_is_faster)
    assert main(["gate", "--challenger", "flight-delay/2", "--set-champion"]) == 2
    assert "the alias champion went from version 1 to 3: gate again" in capsys.readouterr().err
    assert registry.aliases("flight-delay") == {"champion": 3}
    assert kept(registry, registry.resolve("flight-delay/2")) is None
    assert main(["gate", "--challenger", "flight-delay/2", "--champion", "flight-delay/1", "--set-champion"]) == 2
    assert "--set-champion compares with the alias champion itself: leave --champion out" in capsys.readouterr().err


def test_a_few_days_are_not_enough_to_compare_two(workshop: Workshop) -> None:
    split = sides(workshop.folder)
    (part,) = split.holdout.parts
    first = np.flatnonzero(np.isin(part.id("unit"), np.unique(part.id("unit"))[:9]))
    few = replace(split, holdout=Rows((replace(part, chosen=first),)))
    champion, challenger = (load_ensemble(workshop.folder / "models" / name) for name in ("champion", "challenger"))
    data = workshop.folder / "data/flights"
    with pytest.raises(UserError, match=r"2013-04\) has 9 different date, and from fewer than 10 nobody can say"):
        compare(challenger, champion, few, ONE_EACH, LENIENT, data)
    checks, _ = compare(challenger, None, few, ONE_EACH, LENIENT, data)
    assert all(check.passed for check in checks)


def test_what_is_no_decision_is_a_sentence(inside: Path, empty_database: Path) -> None:
    shutil.copy(empty_database, inside)
    registry = open_registry()
    version = registry.register_folder("flight-delay", Path("models/challenger"))
    assert kept(registry, version) is None
    for text in ("[1]", "{}", "not JSON"):
        registry.attach(version, {"gate/decision.json": text})
        with pytest.raises(UserError, match="is no decision of the gate: ask it again with"):
            kept(registry, version)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"confidence": 1.5}, "params.yaml: gate.confidence: input should be less than 1, not 1.5"),
        ({"margin": -0.1}, "params.yaml: gate.margin: input should be greater than or equal to 0, not -0.1"),
        ({"resamples": 10}, "params.yaml: gate.resamples: input should be greater than or equal to 100, not 10"),
        ({"margins": 0.1}, "params.yaml: gate.margins: no such key; remove it or correct its spelling"),
    ],
)
def test_rules_out_of_range(inside: Path, capsys: pytest.CaptureFixture[str], rules: dict[str, Any], said: str) -> None:
    with_rules(inside, **rules)
    assert main([*FOLDERS]) == 2
    assert said in capsys.readouterr().err


def test_a_run_that_ends_early_leaves_no_decision_of_the_last(inside: Path) -> None:
    out = inside / "build/gate"
    out.mkdir(parents=True)
    for name in ("decision.json", "decision.md"):
        (out / name).write_text("passed")
    assert main(["gate", "--challenger", "models/challenger", "--champion", "models"]) == 2
    assert list(out.glob("decision.*")) == []


@pytest.mark.parametrize("spec", ["models/chalenger", "flight-delay", "flight-delay/latest", "@champion"])
def test_a_folder_that_is_misspelt(inside: Path, capsys: pytest.CaptureFixture[str], spec: str) -> None:
    assert main(["gate", "--challenger", "models/challenger", "--champion", spec]) == 2
    assert f"{spec} is no folder, and a version is written name/3 or name@alias" in capsys.readouterr().err
    assert not (inside / "mlflow.db").exists(), "it did not come to asking a registry"


def test_a_folder_cannot_be_made_champion(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FOLDERS, "--set-champion"]) == 2
    assert "--set-champion needs a version of the registry, and --challenger is a folder" in capsys.readouterr().err


def test_too_few_months_to_hold_one_out(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = yaml.safe_load((inside / "params.yaml").read_text())
    document["split"]["holdout"] = 4
    (inside / "params.yaml").write_text(yaml.safe_dump(document))
    assert main([*FOLDERS]) == 2
    assert "data/flights has 4 months" in capsys.readouterr().err
