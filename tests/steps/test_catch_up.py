"""Catch-up: a merge that no webhook told of is searched, once, under the name it would have had; and the hand-over."""

from __future__ import annotations

import pytest

from slipway.__main__ import main
from tests.standins.kube import Kube
from tests.steps.conftest import Team
from tests.steps.runs import TRIALS, WORKFLOWS, Run, good

MODEL = "k8s/serving/overlays/staging/model.yaml"


def catch_up(*flags: str) -> int:
    return main(["catch-up", *flags])


def test_a_merge_that_nobody_told_of_is_started_once(
    team: Team, kube: Kube, capsys: pytest.CaptureFixture[str]
) -> None:
    sha = team.merge("June")
    assert catch_up("--dry-run") == 0
    assert kube.names("workflows") == []
    for _ in range(3):
        assert catch_up() == 0
    assert kube.names("workflows") == [f"tune-{sha[:12]}"]
    made = kube.objects[f"{WORKFLOWS}/workflows/tune-{sha[:12]}"]
    assert made["spec"] == {
        "workflowTemplateRef": {"name": "tune"},
        "arguments": {"parameters": [{"name": "sha", "value": sha}]},
    }, "nothing on top of the template, which Strict would refuse"
    said = capsys.readouterr().out
    assert "no Workflow ran it" in said
    assert f"tune-{sha[:12]} is started" in said
    assert "is taken care of" in said


def test_behind_promotions_it_finds_the_commit_that_counts(team: Team, kube: Kube) -> None:
    team.merge("Before")
    team.write("data/numbers.dvc", "outs:\n- md5: bb\n")
    team.pin()
    sha = team.merge("June")
    for number in range(3):
        team.write(MODEL, f"version: numbers/{number}\n")
        team.merge("Promote")
    assert catch_up() == 0
    assert kube.names("workflows") == [f"tune-{sha[:12]}"]


def test_a_merge_commit_counts_as_the_push_that_it_was(team: Team, kube: Kube) -> None:
    team.merge("Before")
    team.git("checkout", "--quiet", "-b", "june")
    team.write("data/numbers.dvc", "outs:\n- md5: bb\n")
    team.pin()
    team.git("add", "--all")
    team.git("commit", "--quiet", "--message", "June")
    team.git("checkout", "--quiet", "main")
    team.git("merge", "--quiet", "--no-ff", "--message", "Merge june", "june")
    sha = team.merge("and a word in the README")
    merge = team.git("rev-parse", "HEAD^")
    assert sha != merge
    assert catch_up() == 0
    assert kube.names("workflows") == [f"tune-{merge[:12]}"]


def test_a_later_commit_of_the_same_push_has_the_workflow(team: Team, kube: Kube) -> None:
    team.merge("June")
    head = team.merge("words, pushed together with June: the webhook named this one")
    Run(head, "Running").put(kube)
    assert catch_up() == 0
    assert kube.names("workflows") == [f"tune-{head[:12]}"]


@pytest.mark.parametrize("trace", ["experiment", "status"])
def test_a_run_whose_workflow_was_swept_away_is_not_run_again(team: Team, kube: Kube, trace: str) -> None:
    sha = team.merge("June")
    if trace == "experiment":
        kube.put("experiments", TRIALS, {"metadata": {"name": f"tune-{sha[:12]}"}})
    else:
        said = {"context": "slipway/tune", "state": "failure", "description": "the gate refused numbers/7"}
        team.state.statuses[sha] = [said]
    assert catch_up() == 0
    assert kube.names("workflows") == []


def test_an_announcement_alone_is_no_run(team: Team, kube: Kube) -> None:
    sha = team.merge("June")
    team.state.statuses[sha] = [{"context": "slipway/tune", "state": "pending", "description": "searching"}]
    assert catch_up() == 0
    assert kube.names("workflows") == [f"tune-{sha[:12]}"], "the cluster was lost in mid-flight, and all it knew"


def test_an_end_without_an_answer_is_answered_once(team: Team, kube: Kube, capsys: pytest.CaptureFixture[str]) -> None:
    sha = team.merge("June")
    Run(sha, "Error", 'workflowtemplates.argoproj.io "tune" not found').put(kube)
    for _ in range(2):
        assert catch_up() == 0
    assert sorted(kube.names("workflows")) == [f"answer-{sha[:12]}", f"tune-{sha[:12]}"]
    made = kube.objects[f"{WORKFLOWS}/workflows/answer-{sha[:12]}"]
    assert made["spec"]["workflowTemplateRef"] == {"name": "tell"}
    assert made["spec"]["entrypoint"] == "answer"
    assert {"name": "workflow", "value": f"tune-{sha[:12]}"} in made["spec"]["arguments"]["parameters"]


def test_an_end_with_an_answer_is_left_alone(team: Team, kube: Kube) -> None:
    sha = team.merge("June")
    run = good(sha).step("answer")
    run.phase = "Succeeded"
    run.put(kube)
    assert catch_up() == 0
    assert kube.names("workflows") == [run.name]


def test_the_hand_over_is_what_promote_listens_for(team: Team) -> None:
    team.merge("June")
    assert main(["hand-over", "--version=numbers/7"]) == 0
    assert team.state.dispatches == [
        {
            "event_type": "model-promoted",
            "client_payload": {"environment": "staging", "model": "numbers/7", "version": 7},
        }
    ]


def test_the_hand_over_waits_for_github(team: Team) -> None:
    team.merge("June")
    team.state.ill = 1
    assert main(["hand-over", "--version=numbers/7"]) == 75, "a POST is not sent twice by itself; the step is"
    assert main(["hand-over", "--version=numbers/7"]) == 0
