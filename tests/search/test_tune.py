"""A search does what the experiment says, as Katib would."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from slipway.__main__ import main
from slipway.learning.provenance import PREPARE, code_sha256
from tests.conftest import ROOT, TEMPLATE
from tests.sample import NAMES
from tests.search.conftest import CONTAINER, Searches, parameter, searching

AUC = "echo 2026-11-23T12:00:00Z auc="


def listed(*values: str, algorithm: str = "grid") -> dict[str, Any]:
    """A search that tries these values of x in their order."""
    return searching(parameter("x", "categorical", list=list(values)), algorithm=algorithm, trials=len(values))


def test_a_search_is_written_as_katib_would_show_it(searches: Searches) -> None:
    outcome = searches.tune(listed("0.4", "0.7", "0.5"))
    assert outcome.code == 0
    assert outcome.states == ["Succeeded"] * 3
    trial = outcome.trials[1]
    assert trial["kind"] == "Trial"
    assert trial["apiVersion"] == "kubeflow.org/v1beta1"
    assert trial["metadata"]["name"] == "try-002"
    assert trial["metadata"]["labels"] == {"katib.kubeflow.org/experiment": "try"}
    assert trial["spec"]["objective"] == {"type": "maximize", "objectiveMetricName": "auc"}
    assert trial["spec"]["parameterAssignments"] == [{"name": "x", "value": "0.7"}]
    assert trial["status"]["observation"]["metrics"] == [{"name": "auc", "min": "0.7", "max": "0.7", "latest": "0.7"}]
    assert trial["status"]["startTime"] <= trial["status"]["completionTime"]
    assert outcome.logs == [f"2026-11-23T12:00:00Z auc={x}\n" for x in ("0.4", "0.7", "0.5")]


def test_progress_shows_count_state_metric_and_best(searches: Searches) -> None:
    lines = searches.tune(listed("0.4", "0.7", "0.5")).out.splitlines()
    assert lines[0] == "try: grid, 3 trials at most, 1 at a time"
    assert re.fullmatch(r" +\d+\.\d s  1 of 3  try-001  Succeeded  auc=0\.4  \(best 0\.4\)  x=0\.4", lines[1])
    assert re.fullmatch(r" +\d+\.\d s  3 of 3  try-003  Succeeded  auc=0\.5  \(best 0\.7\)  x=0\.5", lines[3])
    assert lines[4].endswith("trials.json  ended after 3 trials; best is try-002 with auc=0.7")


def test_every_kind_of_parameter_reaches_the_trial(searches: Searches) -> None:
    space = (
        parameter("eta", "double", min="0.01", max="0.3", distribution="logUniform"),
        parameter("share", "double", min="0.4", max="1.0", step="0.2"),
        parameter("rounds", "int", min="50", max="200", step="50"),
        parameter("bins", "discrete", list=["64", "256"]),
        parameter("policy", "categorical", list=["depthwise", "lossguide"]),
    )
    script = f"echo {' '.join('${trialParameters.' + p['name'] + '}' for p in space)}; {AUC}0.5"
    outcome = searches.tune(searching(*space, trials=5), script)
    for assigned, log in zip(outcome.assigned, outcome.logs, strict=True):
        assert log.splitlines()[0] == " ".join(assigned.values())
        assert assigned["share"] in ("0.4", "0.6", "0.8", "1")
        assert assigned["rounds"] in ("50", "100", "150", "200")


def test_words_are_split_by_a_shell_as_katib_splits_them(searches: Searches) -> None:
    command = ["echo", "2026-11-23T12:00:00Z", "auc=${trialParameters.x}   #", "what a shell takes for a comment"]
    outcome = searches.tune(listed("0.4") | {f"{CONTAINER}.command": command})
    assert outcome.logs == ["2026-11-23T12:00:00Z auc=0.4\n"]


def test_a_trial_sees_its_environment(searches: Searches) -> None:
    changes = listed("0.4") | {f"{CONTAINER}.env": [{"name": "VALUE", "value": "${trialParameters.x}"}]}
    outcome = searches.tune(changes, f"echo $KATIB_TRIAL_NAME; {AUC}$VALUE; echo ${{trialParameters.x}}")
    assert outcome.logs == ["try-001\n2026-11-23T12:00:00Z auc=0.4\n0.4\n"]


@pytest.mark.parametrize(
    ("direction", "goal", "values", "ends_after"),
    [
        ("maximize", 0.7, ("0.5", "0.7", "0.9"), 2),
        ("minimize", 0.3, ("0.5", "0.3", "0.1"), 2),
        ("maximize", 0.95, ("0.5", "0.7", "0.9"), 3),
        ("minimize", 0, ("0.5", "0", "0.1"), 2),
    ],
)
def test_the_goal_ends_the_search(
    searches: Searches, direction: str, goal: float, values: tuple[str, ...], ends_after: int
) -> None:
    outcome = searches.tune(listed(*values) | {"objective.type": direction, "objective.goal": goal})
    assert outcome.code == 0
    assert len(outcome.trials) == ends_after
    assert ("reached its goal" in outcome.out) == (ends_after < 3)


def test_what_still_runs_when_the_goal_is_reached_is_ended_and_counts_for_nothing(searches: Searches) -> None:
    script = f"if [ ${{trialParameters.x}} = slow ]; then sleep 60; fi; sleep 0.3; {AUC}0.9"
    changes = listed("slow", "fast") | {"objective.goal": 0.8, "parallelTrialCount": 2, "maxFailedTrialCount": 1}
    outcome = searches.tune(changes, script)
    assert outcome.code == 0, "a trial that was ended for this reason is no failure"
    assert outcome.states == ["Killed", "Succeeded"]
    assert "reached its goal 0.8 after 1 trials; best is try-002" in outcome.out


def test_a_trial_that_succeeds_beside_the_one_that_reached_the_goal_may_be_the_best(searches: Searches) -> None:
    script = f"{AUC}${{trialParameters.x}}"
    changes = listed("0.8", "0.9") | {"objective.goal": 0.8, "parallelTrialCount": 2}
    outcome = searches.tune(changes, script)
    assert outcome.code == 0
    best = max(
        t["spec"]["parameterAssignments"][0]["value"]
        for t, s in zip(outcome.trials, outcome.states, strict=True)
        if s == "Succeeded"
    )
    assert f"with auc={best}" in outcome.out


@pytest.mark.parametrize("parallel", [1, 3])
def test_as_many_trials_run_at_once_as_the_experiment_says(searches: Searches, tmp_path: Path, parallel: int) -> None:
    """Each trial waits for as many to have started, then counts those that run."""
    started, running = tmp_path / "started", tmp_path / "running"
    started.mkdir()
    running.mkdir()
    script = (
        f"touch {started}/$KATIB_TRIAL_NAME {running}/$KATIB_TRIAL_NAME; "
        f"for i in $(seq 500); do test $(ls {started} | wc -l) -ge {parallel} && break; sleep 0.02; done; "
        f"ls {running} | wc -l; sleep 0.1; rm {running}/$KATIB_TRIAL_NAME; {AUC}${{trialParameters.x}}"
    )
    outcome = searches.tune({"maxTrialCount": 2 * parallel + 1, "parallelTrialCount": parallel}, script)
    seen = [int(log.split()[0]) for log in outcome.logs]
    assert len(seen) == 2 * parallel + 1
    assert max(seen) == parallel


def test_a_flag_lowers_what_the_experiment_says_and_never_raises_it(searches: Searches) -> None:
    changes = {"parallelTrialCount": 2}
    assert len(searches.tune(changes, None, "--max-trials", "2").trials) == 2
    outcome = searches.tune(changes, None, "--max-trials", "99", "--parallel", "99")
    assert len(outcome.trials) == 4
    assert "4 trials at most, 2 at a time" in outcome.out


def test_a_grid_ends_when_it_is_through(searches: Searches) -> None:
    outcome = searches.tune(listed("0.4", "0.7") | {"maxTrialCount": None, "parallelTrialCount": 3})
    assert outcome.code == 0
    assert outcome.assigned == [{"x": "0.4"}, {"x": "0.7"}]


@pytest.mark.parametrize(("allowed", "code", "trials"), [(2, 1, 3), (3, 0, 4), (0, 1, 1), (None, 0, 4)])
def test_the_search_fails_when_failures_reach_the_limit(
    searches: Searches, allowed: int | None, code: int, trials: int
) -> None:
    """Katib: failed when failures are not 0 and at least maxFailedTrialCount (status_util.go)."""
    changes = listed("1", "0.5", "1 ", "0.6")
    if allowed is not None:
        changes["maxFailedTrialCount"] = allowed
    outcome = searches.tune(
        changes, "if [ ${trialParameters.x} = 1 ]; then echo no memory; exit 3; fi; " + AUC + "${trialParameters.x}"
    )
    assert outcome.code == code
    assert len(outcome.trials) == trials
    assert outcome.states == ["Failed", "Succeeded", "Failed", "Succeeded"][:trials]
    assert "Failed  no memory" in outcome.out
    said = f"failed: {min(trials, 2) if allowed else 1} trials failed, and maxFailedTrialCount is {allowed}"
    assert (said in outcome.out) == (code == 1)


def test_a_goal_counts_for_more_than_failures(searches: Searches) -> None:
    changes = listed("bad", "0.9") | {"maxFailedTrialCount": 2, "objective.goal": 0.8}
    outcome = searches.tune(changes, "test ${trialParameters.x} = bad && exit 1; " + AUC + "${trialParameters.x}")
    assert outcome.code == 0
    assert "reached its goal" in outcome.out


@pytest.mark.parametrize(
    ("script", "state", "said"),
    [
        (AUC + "nan", "MetricsUnavailable", "printed a auc that is no number"),
        (AUC + "inf", "MetricsUnavailable", "printed a auc that is no number"),
        (f"{AUC}0.99; {AUC}nan", "MetricsUnavailable", "printed a auc that is no number"),
        ("echo 2026-11-23T12:00:00Z aucs=0.5", "MetricsUnavailable", "printed no auc"),
        ("true", "MetricsUnavailable", "printed no auc"),
        (f"{AUC}0.99; exit 1", "Failed", "auc=0.99"),
        ("exit 4", "Failed", "exit code 4, and not a word"),
        ("no-such-command", "Failed", "not found"),
        ("kill -9 $$$$", "Failed", "exit code -9, and not a word"),
    ],
)
def test_a_trial_that_does_not_come_out_is_never_the_best(
    searches: Searches, script: str, state: str, said: str
) -> None:
    changes = listed("bad", "0.5")
    outcome = searches.tune(changes, f"if [ ${{trialParameters.x}} = bad ]; then {script}; exit $?; fi; {AUC}0.5")
    assert outcome.states == [state, "Succeeded"]
    assert said in outcome.out
    assert "best is try-002 with auc=0.5" in outcome.out
    assert outcome.code == 0


def test_when_none_succeeds_the_search_has_failed(searches: Searches) -> None:
    outcome = searches.tune(listed("a", "b"), "exit ${trialParameters.x}")
    assert outcome.code == 1
    assert "ended after 2 trials; none succeeded" in outcome.out
    assert len(outcome.logs) == 2, "the logs are what one needs now"


@pytest.mark.parametrize(
    ("strategies", "direction", "value"),
    [(None, "maximize", "0.9"), (None, "minimize", "0.2"), ("latest", "maximize", "0.5"), ("min", "maximize", "0.2")],
)
def test_a_trial_is_as_good_as_the_strategy_says(
    searches: Searches, strategies: str | None, direction: str, value: str
) -> None:
    changes = listed("0") | {"objective.type": direction, "objective.additionalMetricNames": ["loss"]}
    if strategies:
        changes["objective.metricStrategies"] = [{"name": "auc", "value": strategies}]
    outcome = searches.tune(changes, f"{AUC}0.2; {AUC}0.9; {AUC}0.5 loss=${{trialParameters.x}}.25")
    assert f"with auc={value}" in outcome.out
    assert outcome.trials[0]["status"]["observation"]["metrics"] == [
        {"name": "auc", "min": "0.2", "max": "0.9", "latest": "0.5"},
        {"name": "loss", "min": "0.25", "max": "0.25", "latest": "0.25"},
    ]


def test_a_metrics_format_of_its_own_replaces_the_default(searches: Searches) -> None:
    changes = listed("0.4") | {
        "objective.objectiveMetricName": "validation-auc",
        "metricsCollectorSpec": {"source": {"filter": {"metricsFormat": [r"([\w|-]+):([+-]?\d*\.\d+)"]}}},
    }
    script = "printf '2026-11-23T12:00:00Z [0]\\ttrain-auc:0.9\\tvalidation-auc:%s\\n' ${trialParameters.x}; "
    outcome = searches.tune(changes, script + "echo validation-auc=0.1")
    assert outcome.trials[0]["status"]["observation"]["metrics"][0]["latest"] == "0.4"


def test_a_strict_format_does_not_see_a_nan(searches: Searches) -> None:
    strict = {"source": {"filter": {"metricsFormat": [r"([\w|-]+)\s*=\s*([+-]?(?:\d+\.?\d*|\.\d+))"]}}}
    outcome = searches.tune(listed("nan", "0.4") | {"metricsCollectorSpec": strict})
    assert outcome.states == ["MetricsUnavailable", "Succeeded"]
    assert outcome.trials[0]["status"]["observation"]["metrics"][0]["max"] == "unavailable"


def test_lines_without_a_time_are_warned_of(searches: Searches) -> None:
    outcome = searches.tune(listed("0.4", "0.5"), "echo auc=${trialParameters.x}")
    assert outcome.code == 0
    assert outcome.out.count("do not begin with an RFC 3339 time") == 1


MEDIAN = {
    "earlyStopping": {
        "algorithmName": "medianstop",
        "algorithmSettings": [{"name": "start_step", "value": "2"}, {"name": "min_trials_required", "value": "2"}],
    }
}
REPORTS = "for step in 1 2 3; do " + AUC + "${trialParameters.x}; done; "


def test_medianstop_ends_a_bad_trial_early(searches: Searches) -> None:
    script = REPORTS + "if [ ${trialParameters.x} = 0.1 ]; then sleep 60; fi"
    outcome = searches.tune(listed("0.8", "0.6", "0.1", "0.75", "0.65") | MEDIAN | {"maxFailedTrialCount": 1}, script)
    assert outcome.states == ["Succeeded", "Succeeded", "EarlyStopped", "Succeeded", "EarlyStopped"]
    assert outcome.code == 0, "an early stop is no failure"
    assert "best is try-001" in outcome.out
    assert outcome.trials[2]["status"]["observation"]["metrics"][0]["max"] == "0.1"


def test_medianstop_compares_with_the_mean_as_katibs_does(searches: Searches) -> None:
    changes = listed("0.9", "0.5", "0.50", "0.6") | MEDIAN
    changes["earlyStopping"] = {
        "algorithmName": "medianstop",
        "algorithmSettings": [{"name": "start_step", "value": "1"}],
    }
    outcome = searches.tune(changes, REPORTS)
    assert outcome.states[-1] == "EarlyStopped", "0.6 is above the median, 0.5, and below the mean, 0.633"


def test_medianstop_waits_for_enough_trials_and_reports(searches: Searches) -> None:
    outcome = searches.tune(listed("0.8", "0.1", "0.7") | MEDIAN, REPORTS)
    assert outcome.states == ["Succeeded"] * 3, "two must have succeeded before the first is judged"
    once = AUC + "${trialParameters.x}; sleep 0.1"
    outcome = searches.tune(listed("0.8", "0.6", "0.1") | MEDIAN, once)
    assert outcome.states == ["Succeeded"] * 3, "one report is fewer than start_step"


def test_medianstop_knows_which_way_is_better(searches: Searches) -> None:
    script = REPORTS + "if [ ${trialParameters.x} = 0.9 ]; then sleep 60; fi"
    outcome = searches.tune(listed("0.2", "0.4", "0.9") | MEDIAN | {"objective.type": "minimize"}, script)
    assert outcome.states == ["Succeeded", "Succeeded", "EarlyStopped"]


def test_an_early_stopped_trial_is_never_the_best(searches: Searches) -> None:
    """Its last report would be: `latest` of the others fell after their first reports."""
    script = AUC + "0.8; " + AUC + "0.8; if [ ${trialParameters.x} = c ]; then exit; fi; " + AUC + "0.1"
    script = f"if [ ${{trialParameters.x}} = c ]; then {AUC}0.5; {AUC}0.5; sleep 60; fi; {script}"
    latest = {"objective.metricStrategies": [{"name": "auc", "value": "latest"}]}
    outcome = searches.tune(listed("a", "b", "c") | MEDIAN | latest, script)
    assert outcome.states[2] == "EarlyStopped"
    assert "with auc=0.1" in outcome.out


def test_a_seed_makes_a_search_one_at_a_time_repeatable(searches: Searches) -> None:
    changes = {"algorithm.algorithmName": "tpe", "maxTrialCount": 14, "parallelTrialCount": 2}
    first = searches.tune(changes, None, "--parallel", "1", "--seed", "5").assigned
    assert searches.tune(changes, None, "--parallel", "1", "--seed", "5").assigned == first
    assert searches.tune(changes, None, "--parallel", "1", "--seed", "6").assigned != first


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--max-trials", "0"), "--max-trials is 0, expected at least 1"),
        (("--parallel", "-1"), "--parallel is -1, expected at least 1"),
        (("--seed", "-1"), "--seed is -1, expected at least 0"),
    ],
)
def test_flags_out_of_range(refused: Any, flags: tuple[str, ...], said: str) -> None:
    assert said in refused(None, None, *flags)


def test_a_search_without_an_end_is_refused(refused: Any) -> None:
    assert "no maxTrialCount and no goal, so it never ends: add --max-trials" in refused({"maxTrialCount": None})


def test_a_folder_that_is_no_searchs_is_not_replaced(searches: Searches, tmp_path: Path) -> None:
    (tmp_path / "tune").mkdir()
    (tmp_path / "tune" / "thesis.txt").write_text("years of work", encoding="utf-8")
    outcome = searches.tune()
    assert outcome.code == 2
    assert "so it is not replaced" in outcome.err
    assert (tmp_path / "tune" / "thesis.txt").exists()


def test_a_search_replaces_the_one_before_it(searches: Searches) -> None:
    searches.tune(listed("0.1", "0.2", "0.3"))
    outcome = searches.tune(listed("0.4"))
    assert len(outcome.trials) == 1
    assert len(outcome.logs) == 1


def test_what_a_trial_leaves_behind_ends_with_it(searches: Searches, tmp_path: Path) -> None:
    """In a pod it would; here it would hold the trial's output open for a minute."""
    outcome = searches.tune(listed("0.4"), f"sleep 60 & echo $! > {tmp_path}/pid; {AUC}${{trialParameters.x}}")
    assert outcome.states == ["Succeeded"]
    assert gone(int((tmp_path / "pid").read_text(encoding="utf-8")))


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether a process ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("number", "at_once", "codes"),
    [(signal.SIGINT, False, {130}), (signal.SIGTERM, False, {143}), (signal.SIGTERM, True, {130, 143})],
    ids=["Ctrl-C", "SIGTERM", "both at once"],
)
def test_an_interrupt_ends_every_trial_and_leaves_the_last_search(
    searches: Searches, tmp_path: Path, number: int, at_once: bool, codes: set[int]
) -> None:
    """One of the two trials does not go when it is asked to, and the person who asked is impatient."""
    before = searches.tune(listed("0.4"))
    script = "if [ $KATIB_TRIAL_NAME = try-001 ]; then trap '' TERM; fi; while :; do sleep 0.1; done"
    pids = tmp_path / "pids"
    pids.mkdir()
    experiment = searches.write(
        {"parallelTrialCount": 2}, f"echo $$$$ > {pids}/$KATIB_TRIAL_NAME.new; "
        f"mv {pids}/$KATIB_TRIAL_NAME.new {pids}/$KATIB_TRIAL_NAME; {script}; echo ${{trialParameters.x}}",
    )  # fmt: skip
    command = [sys.executable, "-m", "slipway", "tune", "--experiment", experiment, "--out", before.folder]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment())
    try:
        deadline = time.monotonic() + 120
        while len(started := [p for p in pids.iterdir() if p.suffix != ".new"]) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        trials = [int(path.read_text(encoding="utf-8")) for path in sorted(started)]
        process.send_signal(number)
        assert len(trials) == 2
        assert at_once or gone(trials[1]), "the first has five seconds more"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in codes
    assert "Traceback" not in err
    assert all(gone(pid) for pid in trials)
    left = json.loads((before.folder / "trials.json").read_text(encoding="utf-8"))["items"]
    assert left == before.trials
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def environment() -> dict[str, str]:
    """For a process of this repository, wherever it runs."""
    return os.environ | {"PYTHONPATH": str(ROOT / "src")}


def prepared(folder: Path, months: int = 4, rows: int = 1500) -> None:
    """Months of random features whose first decides the answer, noisily, in place of data/prepared."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    index = []
    for number in range(1, months + 1):
        matrix = rng.random((rows, len(NAMES) + 1), dtype=np.float32)
        matrix[:, -1] = matrix[:, 0] + rng.normal(0, 0.4, rows) > 0.7
        np.save(folder / f"2013-{number:02}.npy", np.asfortranarray(matrix))
        index.append({"part": f"2013-{number:02}", "rows": rows})
    whole = {"features": list(NAMES), "code": code_sha256(PREPARE), "ids": [], "parts": index}
    (folder / "index.json").write_text(json.dumps(whole), encoding="utf-8")


def test_the_templates_experiment_runs_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real experiment.yaml and the real train verb, on little data."""
    for name in ("params.yaml", "k8s/katib/experiment.yaml"):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((TEMPLATE / name).read_bytes())
    prepared(tmp_path / "data/prepared")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    assert main(["tune", "--max-trials", "3"]) == 0
    said = capsys.readouterr().out
    assert "do not begin with an RFC 3339 time" not in said
    trials = json.loads(Path("build/tune/trials.json").read_text(encoding="utf-8"))["items"]
    assert [t["status"]["conditions"][0]["type"] for t in trials] == ["Succeeded"] * 3
    names = [p["name"] for p in yaml.safe_load(Path("k8s/katib/experiment.yaml").read_text())["spec"]["parameters"]]
    for trial in trials:
        assert [a["name"] for a in trial["spec"]["parameterAssignments"]] == names
        auc, logloss = trial["status"]["observation"]["metrics"]
        assert auc["name"] == "validation-auc"
        assert 0.6 < float(auc["latest"]) < 1
        assert 0 < float(logloss["latest"]) < 1
