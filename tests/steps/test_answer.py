"""The answer: on the commit and on Slack, once, whatever happened, and whichever of the two is away."""

from __future__ import annotations

import json

import pytest

from slipway.__main__ import main
from tests.standins.kube import Kube
from tests.standins.slack import Slack
from tests.steps.conftest import Team
from tests.steps.runs import REFUSED, Run, good, trial

pytestmark = pytest.mark.usefixtures("slack")


def answer(run: Run, ended: str = "Failed") -> int:
    return main(["answer", f"--workflow={run.name}", f"--ended={ended}"])


def status(team: Team, sha: str) -> dict[str, str]:
    found: dict[str, str] = team.state.statuses[sha][-1]
    return found


def comments(team: Team) -> list[str]:
    return [it["body"] for it in team.state.comments.get(7, [])]


@pytest.fixture
def sha(team: Team) -> str:
    """A commit that a pull request's merge made."""
    commit = team.merge("June")
    team.pull(commit)
    return commit


def test_a_good_run_is_told_on_the_commit_and_on_slack(team: Team, sha: str, kube: Kube, slack: Slack) -> None:
    assert answer(good(sha).put(kube), "Succeeded") == 0
    assert status(team, sha)["state"] == "success"
    assert status(team, sha)["context"] == "slipway/tune"
    assert status(team, sha)["description"] == "numbers/7 passed the gate and is proposed: best score 0.8"
    [page] = comments(team)
    assert "numbers/7 against numbers/6" in page
    assert page.index("tune-b") < page.index("tune-a"), "the best trial first"
    assert "| auc | 0.7000 | 0.6900 |" in page
    assert "8.0 pod-minutes" in page, "two trials of two minutes, eight pods of half a minute each"
    assert "| search | 2 | 1.0 |" in page, "the lost pod was paid for, too"
    root, reply = slack.workspace.said()
    assert root["text"] == f"numbers, {sha[:7]}: numbers/7 passed the gate and is proposed"
    assert reply["thread_ts"] == root["ts"]
    assert "AUC is 0.7000" in json.dumps(reply["blocks"])
    assert kube.names("experiments") == [f"tune-{sha[:12]}"], "a search that ended stays, to be looked at"


def test_it_is_sent_once_however_often_it_is_asked(team: Team, sha: str, kube: Kube, slack: Slack) -> None:
    run = good(sha).put(kube)
    for _ in range(3):
        assert answer(run, "Succeeded") == 0
    assert len(comments(team)) == 1
    assert len(team.state.statuses[sha]) == 1
    assert len(slack.workspace.said()) == 2


def test_while_it_runs_it_is_announced_and_the_end_goes_into_the_same_thread(
    team: Team, sha: str, kube: Kube, slack: Slack
) -> None:
    assert main(["answer", f"--workflow={Run(sha).planned().put(kube).name}"]) == 0
    assert status(team, sha)["state"] == "pending"
    assert "at most 6 trials" in status(team, sha)["description"]
    assert comments(team) == [], "a comment would notify everybody"
    assert [message["text"] for message in slack.workspace.said()] == [f"numbers, {sha[:7]}: searching"]
    assert answer(good(sha).put(kube), "Succeeded") == 0
    root, reply = slack.workspace.said()
    assert "proposed" in root["text"]
    assert reply["thread_ts"] == root["ts"]
    assert reply["broadcast"], "who reads the channel sees the end, and not only who follows the thread"


def test_a_direct_push_is_answered_on_the_commit_itself(team: Team, kube: Kube) -> None:
    commit = team.merge("pushed by an owner")
    for _ in range(2):
        assert answer(good(commit).put(kube), "Succeeded") == 0
    [comment] = team.state.commit_comments[commit]
    assert "numbers/7" in comment["body"]


def test_the_gates_no_is_told_with_its_reasons(team: Team, sha: str, kube: Kube, slack: Slack) -> None:
    run = good(sha).step("gate", verdict="refused", decision=json.dumps(REFUSED))
    del run.nodes["hand-over"], run.nodes["hand-over-0"]
    assert answer(run.put(kube), "Succeeded") == 0
    assert status(team, sha)["state"] == "failure"
    assert status(team, sha)["description"].startswith("the gate refused numbers/7: AUC differs by -0.0100")
    [page] = comments(team)
    assert "✗ | better than the champion" in page
    assert "<b>95%" not in page, "what comes from outside is text"
    assert "\\| " in page, "and does not end a cell"
    assert "AUC differs" in slack.workspace.texts()


def superseded(run: Run) -> Run:
    run.step("plan", verdict="superseded", sentence="superseded by 0123456789ab: what is searched has changed")
    run.phase = "Succeeded"
    return run


def stopped(run: Run) -> Run:
    run.shutdown = "Stop"
    return run.planned().step("search", "Failed", "workflow shutdown with strategy: Stop").searched(ended="Running")


def refused_by_katib(run: Run) -> Run:
    said = (
        'main: Error (exit code 64): no more retries Error from server: error when creating "/tmp/experiment.json": '
        'admission webhook "validator.experiment.katib.kubeflow.org" denied the request: spec.objective.'
        "objectiveMetricName must be specified"
    )
    return run.planned().step("search", "Failed", said)


def failed_search(run: Run) -> Run:
    said = "main: Error (exit code 64): failure condition '{status.conditions.2.type == [Failed]}' evaluated true"
    run.planned().step("search", "Failed", said)
    because = "Experiment has failed because max failed trial count has reached"
    return run.searched(trial("tune-a", None, "Failed", x="9"), trial("tune-b", 0.6), ended="Failed", message=because)


def late(run: Run) -> Run:
    said = "Pod was active on the node longer than the specified deadline"
    return run.planned().step("search", "Failed", said).searched(trial("tune-a", None, "Running"), ended="Running")


def no_secret(run: Run) -> Run:
    said = (
        "main: Error (exit code 2): slipway plan: the secret github-read with the key token (a token) is missing in "
        "namespace slipway-workflows: make it with `kubectl create secret generic github-read`.\n"
    )
    return run.step("plan", "Failed", said)


def no_template(run: Run) -> Run:
    run.phase, run.message = "Error", 'workflowtemplates.argoproj.io "tune" not found'
    return run


def mlflow_away(run: Run) -> Run:
    said = "main: Error (exit code 75): slipway register: MLflow at http://x does not answer (opening it)."
    return run.planned().step("search").step("register", "Failed", said, attempts=6).searched(trial("tune-a", 0.6))


ENDINGS = [
    (superseded, "Succeeded", "success", "superseded by 0123456789ab"),
    (stopped, "Failed", "error", "somebody stopped the workflow"),
    (refused_by_katib, "Failed", "error", "search failed: spec.objective.objectiveMetricName must be specified"),
    (failed_search, "Failed", "error", "search failed: Experiment has failed because max failed trial count"),
    (late, "Failed", "error", "search failed: it did not end before its deadline"),
    (no_secret, "Failed", "error", "plan failed: the secret github-read with the key token"),
    (no_template, "Error", "error", 'workflowtemplates.argoproj.io "tune" not found'),
    (mlflow_away, "Failed", "error", "register failed: MLflow at http://x does not answer"),
]


@pytest.mark.parametrize(("ending", "ended", "state", "said"), ENDINGS, ids=[case[0].__name__ for case in ENDINGS])
def test_every_end_has_its_words(
    team: Team, sha: str, kube: Kube, slack: Slack, ending: object, ended: str, state: str, said: str
) -> None:
    assert callable(ending)
    run: Run = ending(Run(sha)).put(kube)
    assert answer(run, ended) == 0
    assert status(team, sha)["state"] == state
    assert said in status(team, sha)["description"]
    assert len(comments(team)) == 1
    assert len(slack.workspace.said()) == 2
    going_on = run.experiment is not None and len(run.experiment["status"]["conditions"]) == 2
    assert kube.names("experiments") == ([run.name] if run.experiment and not going_on else []), (
        "a search that nobody waits for any more is ended, and no other"
    )


def test_a_failed_trial_says_why_and_so_does_an_image_that_cannot_be_pulled(
    team: Team, sha: str, kube: Kube, slack: Slack
) -> None:
    run = failed_search(Run(sha)).put(kube)
    kube.pods.append({"trial": "tune-a", "name": "tune-a-xyz"})
    kube.logs["tune-a-xyz"] = "".join(  # as the collector writes it
        f"I1125 13:59:34.957327      14 main.go:143] {line}\n"
        for line in ("2026-06-01T10:00:01Z score=0.1", "slipway train: --x: must be below 1, not 9.")
    )
    kube.warn(f"{run.name}-abc-def", "Failed", 'Failed to pull image "ghcr.io/acme/numbers/train": not found')
    kube.warn(f"{run.name}-abc", "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets")
    kube.warn("tune-ffffffffffff-of-another", "Failed", "of another run")
    assert answer(run) == 0
    [page] = comments(team)
    for said in ("--x: must be below 1, not 9", "Failed to pull image"):
        assert said in page.replace("&#45;", "-").replace("&#58;", ":").replace("&#44;", ",")
        assert said in slack.workspace.texts()
    assert "of another run" not in page
    assert "main.go" not in slack.workspace.texts(), "the collector's own words"
    assert "image pull secrets" not in page, "public images need none"


def test_slack_away_does_not_keep_github_from_its_answer(
    team: Team, sha: str, kube: Kube, slack: Slack, capsys: pytest.CaptureFixture[str]
) -> None:
    slack.workspace.ill = 99
    run = good(sha).put(kube)
    assert answer(run, "Succeeded") == 75
    assert "Slack" in capsys.readouterr().err
    assert status(team, sha)["state"] == "success"
    [page] = comments(team)
    assert "Slack got no answer" in page
    slack.workspace.ill = 0
    assert answer(run, "Succeeded") == 0
    [page] = comments(team)
    assert "Slack got no answer" not in page
    assert len(slack.workspace.said()) == 2


def test_github_away_does_not_keep_slack_from_its_answer(
    team: Team, sha: str, kube: Kube, slack: Slack, capsys: pytest.CaptureFixture[str]
) -> None:
    team.state.ill = 99
    run = good(sha).put(kube)
    assert answer(run, "Succeeded") == 75
    assert "HTTP 502" in capsys.readouterr().err
    assert "GitHub got no answer" in slack.workspace.texts()
    team.state.ill = 0
    assert answer(run, "Succeeded") == 0
    assert len(comments(team)) == 1
    assert len(slack.workspace.said()) == 2
    assert "GitHub got no answer" not in json.dumps(slack.workspace.said()[0]["blocks"])


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("GITHUB_TOKEN", "the secret github with the key token"),
        ("SLACK_TOKEN", "the secret slack with the key token"),
    ],
)
def test_a_missing_secret_is_named_in_the_other_place(
    team: Team,
    sha: str,
    kube: Kube,
    slack: Slack,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    said: str,
) -> None:
    monkeypatch.delenv(variable)
    assert answer(good(sha).put(kube), "Succeeded") == 2
    if variable == "GITHUB_TOKEN":
        assert said in slack.workspace.texts()
        assert comments(team) == []
    else:
        assert said in comments(team)[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"member": False}, "Slack refused (not_in_channel): invite the bot there"),
        ({"channels": {"general": "C00000001"}}, "slack.channel of slipway.yaml names no channel"),
        ({"scopes": frozenset({"channels:read", "channels:history"})}, "docs/cluster.md lists them"),
    ],
)
def test_what_slack_refuses_says_what_to_do(
    sha: str, kube: Kube, slack: Slack, capsys: pytest.CaptureFixture[str], change: dict[str, object], said: str
) -> None:
    for name, value in change.items():
        setattr(slack.workspace, name, value)
    assert answer(good(sha).put(kube), "Succeeded") == 2
    assert said in capsys.readouterr().err


def test_a_bot_that_may_not_read_still_writes(
    team: Team, sha: str, kube: Kube, slack: Slack, capsys: pytest.CaptureFixture[str]
) -> None:
    slack.workspace.scopes = frozenset({"chat:write"})
    assert answer(good(sha).put(kube), "Succeeded") == 0
    assert len(slack.workspace.said()) == 2
    assert "a message may come twice" in capsys.readouterr().out


def test_its_messages_are_found_among_hundreds(sha: str, kube: Kube, slack: Slack) -> None:
    run = good(sha).put(kube)
    assert answer(run, "Succeeded") == 0
    channel = slack.workspace.channels["models"]
    for number in range(500):
        other = {"type": "message", "ts": f"9{number}.0", "text": "talk", "blocks": []}
        slack.workspace.messages[channel].append(other)
    assert answer(run, "Succeeded") == 0
    assert sum("metadata" in message for message in slack.workspace.said()) == 2


def test_names_from_before_init(
    team: Team, sha: str, kube: Kube, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "your-org/your-repo")
    assert answer(good(sha).put(kube), "Succeeded") == 2
    assert "run `python -m slipway init`" in slack.workspace.texts()


def test_a_workflow_that_is_not_there(kube: Kube, team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["answer", "--workflow=tune-000000000000"]) == 2
    assert "has no Workflow named tune-000000000000" in capsys.readouterr().err


def test_long_answers_fit(team: Team, sha: str, kube: Kube, slack: Slack) -> None:
    run = good(sha)
    run.searched(*(trial(f"tune-{n:04}", n / 1000, **{f"p{i}": "1" * 40 for i in range(30)}) for n in range(200)))
    decision = REFUSED | {"checks": [{"name": f"c{n}", "passed": False, "reason": "x" * 900} for n in range(80)]}
    run.step("gate", verdict="refused", decision=json.dumps(decision))
    assert answer(run.put(kube), "Succeeded") == 0
    assert len(comments(team)) == 1
    assert len(slack.workspace.said()) == 2
