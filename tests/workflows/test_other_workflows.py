"""ci, report, promote, rollback, redeliver, smoke and template-demo, run by act."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workflows.conftest import WITH, WITHOUT, Repository, program
from tests.workflows.github.server import APP_TOKEN, READ_TOKEN
from tests.workflows.test_data_pushed import BRANCH, PROPOSED, pull_request, reports


def with_settings(workflow: str, *events: str) -> list[Any]:
    """The events as parameters of a test that runs the workflow with all that it needs."""
    return [pytest.param(event, marks=pytest.mark.runs(workflow, event, WITH)) for event in events]


def without_settings(*runs: tuple[str, str, str]) -> list[Any]:
    """The same for runs without: workflow, event, and what the summary says."""
    return [pytest.param(*run, marks=pytest.mark.runs(run[0], run[1], WITHOUT)) for run in runs]


def opened(repository: Repository, head: str, *, fork: bool = False) -> dict[str, Any]:
    """A pull_request event, and the pull request itself."""
    repository.state.pulls[1] = pull_request(head)
    sha = repository.github.head_of(repository.name, head)
    full_name = "someone-else/flights" if fork else repository.name
    pull = {"number": 1, "head": {"ref": head, "sha": sha, "repo": {"full_name": full_name}}, "base": {"ref": "main"}}
    return {"action": "opened", "number": 1, "pull_request": pull}


def make_says(repository: Repository, *, fails: str = "") -> Path:
    """Put a `make` on the PATH that writes down its target: what make does is not ci's affair. And a `sudo`."""
    log = repository.folder / "make.log"
    program(repository.programs / "make", f'echo "$@" >> {log}\n[ "$1" != "{fails}" ]')
    program(repository.programs / "sudo", "true")
    return log


@pytest.mark.parametrize("event", with_settings("ci", "pull_request", "push", "workflow_dispatch"))
def test_ci_lints_tests_and_looks_at_the_pin(light: Repository, event: str) -> None:
    log = make_says(light)
    light.push("feature", "Code")
    payload = opened(light, "feature") if event == "pull_request" else {"ref": "refs/heads/feature"}
    run = light.run("ci", event, payload, "feature")
    assert run.green, run
    assert sorted(log.read_text(encoding="utf-8").split()) == ["lint", "test"]


def test_ci_is_red_when_one_of_its_jobs_is(light: Repository) -> None:
    make_says(light, fails="test")
    light.push("feature", "Code")
    assert not light.run("ci", "workflow_dispatch", {}, "feature").green


def test_ci_is_red_when_data_comes_without_its_image(light: Repository) -> None:
    make_says(light)
    light.push(BRANCH, "June")
    first = light.pushed(BRANCH)
    assert first.green, first
    assert light.run("ci", "pull_request", opened(light, PROPOSED), PROPOSED).green
    light.git("fetch", "--quiet", str(light.github.git_folder(light.name)), PROPOSED)
    light.git("reset", "--quiet", "--hard", "FETCH_HEAD")
    light.edit("params.yaml", "margin: 0.0 ", "margin: 0.001 ")
    light.push("by-hand", "Another margin")
    run = light.run("ci", "pull_request", opened(light, "by-hand"), "by-hand")
    assert not run.green
    assert "the pinned image is of other inputs than this commit's" in run.log


@pytest.mark.runs("report", "pull_request", WITH)
def test_report_comments_on_a_pull_request_made_by_hand(light: Repository) -> None:
    light.edit("reports/light.md", "AUC 0.7", "AUC 0.75")
    light.push("by-hand", "A change")
    run = light.run("report", "pull_request", opened(light, "by-hand"), "by-hand")
    assert run.green, run
    (report,) = reports(light)
    assert "AUC 0.75" in report and "artifacts/1" in report and "AUC 0.75" in run.summary
    assert light.state.pushes == [], "it only reports"
    assert light.run("report", "pull_request", opened(light, "by-hand"), "by-hand").green
    assert len(reports(light)) == 1
    assert light.state.violations == []


def test_report_says_nothing_on_what_data_pushed_proposed(light: Repository) -> None:
    light.push(PROPOSED, "June")
    run = light.run("report", "pull_request", opened(light, PROPOSED), PROPOSED)
    assert run.green and run.stubbed == [] and reports(light) == []


def test_report_on_a_forks_pull_request_says_why_there_is_none(light: Repository) -> None:
    light.push("by-hand", "A change")
    event = opened(light, "by-hand", fork=True)
    run = light.run("report", "pull_request", event, "by-hand", secrets={"GITHUB_TOKEN": READ_TOKEN})
    assert run.green, run
    assert "comes from a fork" in run.summary and reports(light) == []


@pytest.mark.parametrize(
    ("workflow", "event", "missing"),
    without_settings(
        ("data-pushed", "push", "`AWS_ROLE` or `AWS_ACCESS_KEY_ID`"),
        ("data-pushed", "workflow_dispatch", "`AWS_ROLE` or `AWS_ACCESS_KEY_ID`"),
        ("report", "pull_request", "`AWS_ROLE` or `AWS_ACCESS_KEY_ID`"),
        ("promote", "workflow_dispatch", "`MLFLOW_TRACKING_URI`"),
        ("promote", "repository_dispatch", "`MLFLOW_TRACKING_URI`"),
        ("rollback", "push", "`MLFLOW_TRACKING_URI`"),
        ("rollback", "workflow_dispatch", "`MLFLOW_TRACKING_URI`"),
        ("redeliver", "schedule", "`APP_CLIENT_ID`, `APP_PRIVATE_KEY`"),
        ("redeliver", "workflow_dispatch", "`APP_CLIENT_ID`, `APP_PRIVATE_KEY`"),
        ("template-demo", "schedule", "delete this workflow"),
        ("template-demo", "workflow_dispatch", "delete this workflow"),
    ),
)
def test_without_settings_it_is_green_and_says_what_to_set(
    light: Repository, workflow: str, event: str, missing: str
) -> None:
    payload = opened(light, "main") if event == "pull_request" else {}
    run = light.run(workflow, event, payload, settings={"AWS_ROLE": ""})
    assert run.green, run
    assert missing in run.summary
    assert not [call for call in light.state.calls if not call.startswith("GET")]


@pytest.mark.runs("smoke", "workflow_dispatch", WITHOUT)
def test_smoke_in_a_fresh_clone_is_green(light: Repository) -> None:
    light.edit("slipway.yaml", "acme/flights", "your-org/your-repo")
    light.push("main", "As the template has it")
    run = light.run("smoke", "workflow_dispatch", {}, settings={"AWS_ROLE": ""})
    assert run.green, run
    assert run.summary.count("Not enabled") == 3


@pytest.mark.runs("smoke", "workflow_dispatch", WITH)
def test_smoke_proves_storage_image_and_pull_request(light: Repository, app: dict[str, dict[str, str]]) -> None:
    run = light.run("smoke", "workflow_dispatch", {}, **app)
    assert run.green, run
    assert light.state.pulls[1]["head"] == "slipway/smoke" and light.state.pulls[1]["by"] == APP_TOKEN
    assert "This comment came through CML" in reports(light)[0]
    assert run.inputs_of("docker/build-push-action")[0]["context"] == ".github/smoke"


@pytest.mark.parametrize("event", with_settings("template-demo", "schedule", "workflow_dispatch"))
def test_template_demo_runs_in_the_template_only(light: Repository, event: str) -> None:
    log = make_says(light)
    light.state.is_template = True
    run = light.run("template-demo", event, {})
    assert run.green, run
    assert log.read_text(encoding="utf-8").split() == ["demo"]


@pytest.mark.parametrize("event", with_settings("redeliver", "schedule", "workflow_dispatch"))
def test_redeliver_sends_again_what_never_got_through(
    light: Repository, app: dict[str, dict[str, str]], event: str
) -> None:
    def delivery(number: int, guid: str, code: int, day: int) -> dict[str, Any]:
        at = f"2026-11-{day:02}T00:00:00Z"
        return {"id": number, "guid": guid, "status_code": code, "delivered_at": at, "event": "push"}

    light.state.hooks = [{"id": 7}]
    light.state.deliveries = [
        delivery(1, "got-through", 200, 1),
        delivery(2, "lost", 502, 2),
        delivery(3, "mended", 504, 2),
        delivery(4, "mended", 200, 3),
        delivery(5, "lost", 503, 3),
    ]
    run = light.run("redeliver", event, {}, **app)
    assert run.green, run
    assert light.state.redelivered == [5], "the newest attempt of the one that never got through"
    assert "was 503" in run.summary
    assert light.state.violations == []
