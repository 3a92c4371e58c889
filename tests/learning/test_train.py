"""`slipway train`: the contract's lines, the same bytes every time, and no sight of the hold-out."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from slipway.__main__ import main
from slipway.errors import UserError
from slipway.learning.train import emit
from tests.conftest import TEMPLATE

KATIB_STRICT = re.compile(r"([\w|-]+)\s*[=:]\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?)")
"""The filter of k8s/katib/experiment.yaml, in the form that also reads XGBoost's own lines."""

QUICK = ["--members", "1", "--rounds", "4"]


def lines(text: str) -> list[tuple[datetime, str, float]]:
    """The contract's lines as Katib's collector reads them: the time first, then one metric."""
    found = []
    for line in text.splitlines():
        time, rest = line.split(" ", 1)
        [(name, value)] = KATIB_STRICT.findall(rest)
        assert rest == f"{name}={value}"
        found.append((datetime.fromisoformat(time), name, float(value)))
    return found


def members(folder: Path) -> dict[str, str]:
    """What is in every member's file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "members").iterdir()}


def test_a_trial_prints_the_contracts_lines_and_saves_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(workspace.rglob("*"))
    assert main(["train", "--rounds", "11", "--report_every", "5"]) == 0
    found = lines(capsys.readouterr().out)
    assert [name for _, name, _ in found[:2]] == ["validation-auc", "validation-logloss"]
    assert sum(name == "validation-auc" for _, name, _ in found) == 2 * 3 + 1  # two members, then the ensemble
    assert [name for _, name, _ in found[-4:]] == [f"validation-{n}" for n in ("auc", "logloss", "brier", "ece")]
    times = [time for time, _, _ in found]
    assert times == sorted(times) and all(time.utcoffset() is not None for time in times)
    assert all(math.isfinite(value) for _, _, value in found)
    assert sorted(workspace.rglob("*")) == before


def test_the_experiments_filter_reads_the_lines(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = TEMPLATE / "k8s/katib/experiment.yaml"
    source = yaml.safe_load(experiment.read_text())["spec"]["metricsCollectorSpec"]["source"]
    [pattern] = source["filter"]["metricsFormat"]
    assert main(["train", *QUICK]) == 0
    said = capsys.readouterr().out
    ours = [(name, value) for _, name, value in lines(said)]
    theirs = [(m[0], float(m[1])) for line in said.splitlines() for m in re.findall(pattern, line.split(" ", 1)[1])]
    assert ours == theirs


def test_two_runs_and_any_number_of_threads_give_the_same_bytes(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for threads in ("1", "2", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        from slipway.learning.learners.xgboost import import_xgboost

        with import_xgboost().config_context(nthread=int(threads)):
            assert main(["train", "--final", "--out", "models/again"]) == 0
        found.append(members(workspace / "models/again"))
    assert found[0] == found[1] == found[2] == members(workspace / "models/current")
    assert len(set(found[0].values())) == 2  # the members themselves differ, by their seeds


def test_nothing_of_the_holdout_reaches_the_model(workspace: Path) -> None:
    path = workspace / "data/prepared/2013-05.npy"
    poisoned = np.load(path)
    poisoned[:, :-1] = np.random.default_rng(1).normal(size=(len(poisoned), poisoned.shape[1] - 1))
    poisoned[:, -1] = 1 - poisoned[:, -1]
    np.save(path, np.asfortranarray(poisoned))
    assert main(["train", "--final", "--out", "models/again"]) == 0
    assert members(workspace / "models/again") == members(workspace / "models/current")
    again, before = (
        json.loads((workspace / folder / "profile.json").read_text()) for folder in ("models/again", "models/current")
    )
    assert again == before


def test_a_trial_learns_nothing_from_what_it_is_scored_on(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *QUICK, "--out", "models/trial"]) == 0
    path = workspace / "data/prepared/2013-04.npy"
    flipped = np.load(path)
    flipped[:, -1] = 1 - flipped[:, -1]
    np.save(path, np.asfortranarray(flipped))
    first = lines(capsys.readouterr().out.rsplit("\n", 2)[0])
    assert main(["train", *QUICK, "--out", "models/again"]) == 0
    second = lines(capsys.readouterr().out.rsplit("\n", 2)[0])
    assert members(workspace / "models/again") == members(workspace / "models/trial")
    auc = [next(value for _, name, value in reversed(found) if name == "validation-auc") for found in (first, second)]
    assert auc[0] + auc[1] == pytest.approx(1)  # the same order of the same flights, all answers turned around


def test_where_a_model_comes_from_is_written_beside_it(workspace: Path) -> None:
    metadata = json.loads((workspace / "models/current/metadata.json").read_text())
    assert metadata["trained_on"] == ["2013-01", "2013-02", "2013-03", "2013-04"]
    assert metadata["held_out"] == ["2013-05"]
    assert [recipe["seed"] for recipe in metadata["recipes"]] == [2013, 2014]
    described = json.loads((workspace / "reports/data.json").read_text())["parts"]
    assert metadata["rows"] == sum(described[name]["answered"] for name in metadata["trained_on"])
    profile = json.loads((workspace / "models/current/profile.json").read_text())
    assert profile["rows"] == sum(described[name]["rows"] for name in metadata["trained_on"])
    assert sum(profile["columns"]["origin"]["buckets"].values()) == profile["rows"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--eta", "0"], "--eta: input should be greater than 0, not 0.0"),
        (["--max_depth", "99"], "--max_depth: input should be less than or equal to 16, not 99"),
        (["--grow_policy", "sideways"], "--grow_policy: input should be 'depthwise' or 'lossguide', not 'sideways'"),
        (["--members", "0"], "--members: input should be greater than or equal to 1, not 0"),
        (["--prepared", "nowhere"], "nowhere/index.json is missing: make it with `python -m slipway prepare`"),
        (["--final", "--trials", "nowhere.json"], "nowhere.json is missing: make it with `python -m slipway collect`"),
    ],
)
def test_a_bad_flag_is_one_sentence(
    workspace: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert main(["train", *flags]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_flag_that_is_no_number_is_refused_by_name(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--rounds", "many"])
    assert stopped.value.code == 2
    assert "--rounds" in capsys.readouterr().err


def test_a_flag_wins_over_params_yaml(workspace: Path, set_params: Callable[..., None]) -> None:
    set_params(train={"rounds": 3})
    assert main(["train", "--final", "--rounds", "5", "--members", "1", "--out", "models/flag"]) == 0
    [recipe] = json.loads((workspace / "models/flag/metadata.json").read_text())["recipes"]
    assert recipe["rounds"] == 5


def test_a_month_with_one_kind_of_answer_ends_the_trial_before_a_metric_is_printed(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace / "data/prepared/2013-04.npy"
    punctual = np.load(path)
    punctual[:, -1] = 0
    np.save(path, np.asfortranarray(punctual))
    assert main(["train", *QUICK]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "validation-auc came out as nan" in captured.err


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_bad_metric_keeps_all_from_being_printed(value: float, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=f"b came out as {value}"):
        emit({"a": 1.0, "b": value})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", [0.0, 1e-12, -3.5, 1234567.25, 1e300])
def test_katib_reads_every_number_as_it_is(value: float, capsys: pytest.CaptureFixture[str]) -> None:
    emit({"validation-auc": value})
    assert [found for _, _, found in lines(capsys.readouterr().out)] == [pytest.approx(value, rel=1e-9)]


def test_a_member_for_each_trial(workspace: Path) -> None:
    trials = [
        {"name": "tune-a", "parameters": {"eta": 0.1, "rounds": 3}},
        {"name": "tune-b", "parameters": {"eta": 0.2, "rounds": 4}},
    ]
    Path("top.json").write_text(json.dumps({"experiment": "tune", "trials": trials}))
    assert main(["train", "--final", "--trials", "top.json", "--out", "models/challenger"]) == 0
    metadata = json.loads((workspace / "models/challenger/metadata.json").read_text())
    assert [(recipe["eta"], recipe["rounds"]) for recipe in metadata["recipes"]] == [(0.1, 3), (0.2, 4)]
    assert metadata["trials"] == trials


def test_a_trial_that_assigns_something_else_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("top.json").write_text(
        json.dumps({"experiment": "tune", "trials": [{"name": "tune-a", "parameters": {"learning_rate": 0.1}}]})
    )
    assert main(["train", "--final", "--trials", "top.json", "--out", "models/challenger"]) == 2
    assert (
        "trial tune-a, learning_rate: no hyper-parameter of the learner, which has rounds, eta"
        in capsys.readouterr().err
    )


def test_a_report_of_other_flights_is_refused_before_anything_is_learnt(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads(Path("reports/data.json").read_text())
    report["parts"]["2013-02"]["answered"] += 1
    Path("other.json").write_text(json.dumps(report))
    assert main(["train", "--final", "--out", "models/x", "--report", "other.json"]) == 2
    said = capsys.readouterr()
    assert (
        "other.json does not describe the" in said.err
        and "flights of 2013-02 that data/prepared/2013-02.npy" in said.err
    )
    assert "auc" not in said.out and not Path("models/x").exists()
    del report["parts"]["2013-02"]
    Path("other.json").write_text(json.dumps(report))
    assert main(["train", "--final", "--out", "models/x", "--report", "other.json"]) == 2
    assert "Traceback" not in capsys.readouterr().err
