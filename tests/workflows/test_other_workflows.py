"""ci, report, redeliver, smoke, init and the template's own, run by act; and every workflow without its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slipway.release import pin
from tests.conftest import inside
from tests.workflows.conftest import NAMES, PROPOSED, WITH, WITHOUT, Repository, needs_registry, program, pull_request
from tests.workflows.github.server import APP_TOKEN, READ_TOKEN
from tests.workflows.test_data_pushed import reports


def with_settings(workflow: str, *events: str) -> list[Any]:
    """The events as parameters of a test that runs the workflow with all that it needs."""
    return [pytest.param(event, marks=pytest.mark.runs(workflow, event, WITH)) for event in events]


def without_settings(*runs: tuple[str, str, str]) -> list[Any]:
    """The same for runs without: workflow, event, and what the summary says."""
    return [pytest.param(*run, marks=pytest.mark.runs(run[0], run[1], WITHOUT)) for run in runs]


def opened(repository: Repository, head: str, *, fork: bool = False, action: str = "opened") -> dict[str, Any]:
    """A pull_request event, and the pull request itself."""
    repository.state.pulls[1] = pull_request(head)
    sha = repository.github.head_of(repository.name, head)
    full_name = "someone-else/flights" if fork else repository.name
    pull = {"number": 1, "head": {"ref": head, "sha": sha, "repo": {"full_name": full_name}}, "base": {"ref": "main"}}
    return {"action": action, "number": 1, "pull_request": pull}


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
    experiment = light.clone / "k8s/katib/experiment.yaml"
    text = experiment.read_text(encoding="utf-8")
    with inside(light.clone):
        inputs = pin.inputs_hash()
    experiment.write_text(pin.pinned(text, "ghcr.io/acme/train", "sha256:" + "ab" * 32, inputs), encoding="utf-8")
    light.push("by-hand", "A margin and its image")
    assert light.run("ci", "pull_request", opened(light, "by-hand"), "by-hand").green
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
    assert light.state.violations == []


def test_report_says_nothing_on_what_data_pushed_proposed(light: Repository) -> None:
    light.push(PROPOSED, "June")
    run = light.run("report", "pull_request", opened(light, PROPOSED), PROPOSED)
    assert run.green and run.stubbed == [] and reports(light) == []


def test_report_leaves_a_push_to_a_pull_request_to_data_pushed(light: Repository) -> None:
    light.push("by-hand", "A change")
    pushed = opened(light, "by-hand", action="synchronize")
    run = light.run("report", "pull_request", pushed, "by-hand")
    assert run.green and run.stubbed == [] and reports(light) == []
    pushed["pull_request"]["base"]["ref"] = "next"  # which data-pushed does not propose to
    run = light.run("report", "pull_request", pushed, "by-hand")
    assert run.stubbed != []


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
        ("serve-image", "push", "`MLFLOW_TRACKING_URI`"),
        ("serve-image", "workflow_dispatch", "`MLFLOW_TRACKING_URI`"),
        ("rollback", "push", "`MLFLOW_TRACKING_URI`"),
        ("rollback", "workflow_dispatch", "`MLFLOW_TRACKING_URI`"),
        ("redeliver", "schedule", "`APP_CLIENT_ID`, `APP_PRIVATE_KEY`"),
        ("redeliver", "workflow_dispatch", "`APP_CLIENT_ID`, `APP_PRIVATE_KEY`"),
        ("template-sync", "schedule", "`TEMPLATE`"),
        ("template-sync", "workflow_dispatch", "`TEMPLATE`"),
        ("template-demo", "schedule", "delete this workflow"),
        ("template-demo", "workflow_dispatch", "delete this workflow"),
        ("template-release", "push", "delete this workflow"),
        ("template-release", "workflow_dispatch", "delete this workflow"),
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


@needs_registry
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


TAG = "v0.1.0"


def tagged(repository: Repository, conclusion: str | None = "success") -> str:
    """Make it the template, with a tag on main; and what ci came to there. Returns the commit."""
    repository.state.is_template = True
    sha = repository.github.head_of(repository.name, "main")
    repository.git("-C", str(repository.github.git_folder(repository.name)), "tag", TAG, sha)
    status = "in_progress" if conclusion is None else "completed"
    repository.state.checks[sha] = [{"id": 1, "name": "ci", "status": status, "conclusion": conclusion}]
    return sha


@pytest.mark.runs("template-release", "push", WITH)
@pytest.mark.runs("template-release", "workflow_dispatch", WITH)
def test_a_tag_in_the_template_becomes_a_release(light: Repository) -> None:
    sha = tagged(light)
    dry = light.run("template-release", "workflow_dispatch", {})
    assert dry.green, dry
    assert f"{TAG} would be published from {sha}" in dry.summary and "What's Changed" in dry.summary
    assert light.state.releases == []

    run = light.run("template-release", "push", {"ref": f"refs/tags/{TAG}", "after": sha}, TAG)
    assert run.green, run
    assert f"Published [{TAG}]" in run.summary
    assert light.state.releases == [{"tag_name": TAG, "name": TAG}]
    assert light.state.violations == []


def test_a_tag_that_ci_has_not_passed_is_no_release(light: Repository) -> None:
    sha = tagged(light, None)
    run = light.run("template-release", "push", {"ref": f"refs/tags/{TAG}", "after": sha}, TAG)
    assert not run.green
    assert f"ci is in_progress for {sha[:12]}: once it has passed there, run this again" in run.log
    assert light.state.releases == []


@pytest.mark.runs("init", "workflow_dispatch", WITH)
@pytest.mark.runs("init", "workflow_dispatch", WITHOUT)
def test_init_proposes_the_repositorys_own_names_and_only_outside_the_template(light: Repository) -> None:
    light.edit("slipway.yaml", "repository: acme/flights", f"repository: {NAMES.repository}")
    light.push("main", "As the template has it")
    light.state.is_template = True
    template = light.run("init", "workflow_dispatch", {})
    assert template.green, template
    assert "This is the template" in template.summary and light.state.pulls == {}

    light.state.is_template = False
    run = light.run("init", "workflow_dispatch", {})
    assert run.green, run
    assert [it["head"] for it in light.state.pulls.values()] == ["slipway/init"]
    changed = light.git("-C", str(light.github.git_folder(light.name)), "diff", "--name-only", "main", "slipway/init")
    assert {"slipway.yaml", ".github/CODEOWNERS", "argo/cd/production.yaml"} <= set(changed.split())
    assert not [name for name in changed.split() if name.startswith((".github/workflows/", "build/"))]
    assert f"repository: {light.name} " in light.show("slipway/init", "slipway.yaml")
    assert f"repoURL: {light.github.url}/{light.name}.git" in light.show("slipway/init", "argo/cd/production.yaml")
    (report,) = reports(light)
    assert "`python -m slipway rules`" in report and "`@acme/platform`" in report
    assert light.state.dispatches == [{"workflow": "ci.yaml", "ref": "slipway/init"}]
    assert light.state.violations == []


@pytest.mark.parametrize("event", with_settings("template-sync", "schedule", "workflow_dispatch"))
def test_template_sync_proposes_what_the_template_has_learnt(light: Repository, event: str, tmp_path: Path) -> None:
    template = tmp_path / "template"
    light.git("clone", "--quiet", str(light.github.git_folder(light.name)), str(template))
    for name, text in {
        "LICENSE": "another one\n",
        "params.yaml": "{}\n",
        ".github/workflows/ci.yaml": "name: ci\n",
    }.items():
        (template / name).write_text(text, encoding="utf-8")
    light.git("-C", str(template), "commit", "--quiet", "--all", "--message", "Better")
    light.edit("Makefile", "VENV := .venv", "VENV := .our-venv")
    light.push("main", "Ours")

    run = light.run("template-sync", event, {}, settings={"TEMPLATE": str(template)})
    assert run.green, run
    assert [it["head"] for it in light.state.pulls.values()] == ["slipway/template-sync"]
    folder = str(light.github.git_folder(light.name))
    changed = light.git("-C", folder, "diff", "--name-only", "main", "slipway/template-sync").split()
    assert changed == [".template.yaml", "LICENSE"], "neither what is ours, nor what no workflow may write"
    (report,) = reports(light)
    assert "- `LICENSE`" in report and "- `.github/workflows/ci.yaml`" in report and "- `params.yaml`" in report
    assert light.state.dispatches == [{"workflow": "ci.yaml", "ref": "slipway/template-sync"}]
    assert light.state.violations == []


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
