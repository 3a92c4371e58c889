"""data-pushed, run by act against a GitHub, an S3 server and a registry on this machine.

What act does not do is tested beside: path and branch filters in test_filters.py. Token permissions, concurrency
groups, OIDC and the actions themselves are GitHub's; docs/first-run.md says how to see them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml

from slipway.github.github import COMMENT_LIMIT, IDENTITY
from slipway.release.handover import read_verdict
from slipway.release.oci import digest_of
from tests.workflows.conftest import (
    BRANCH,
    BUCKET,
    PROPOSED,
    WITH,
    Repository,
    dvc_environment,
    needs_registry,
    report_comments,
)
from tests.workflows.github.server import ACTIONS_TOKEN, APP_TOKEN, READ_TOKEN

BUILD = "docker/build-push-action"


def add_june(repository: Repository, months: Path, *, spoil: str = "") -> None:
    """What a person does: a new month, `dvc add`, `dvc push`."""
    folder = repository.clone / "data/flights"
    folder.mkdir()
    for path in months.glob("*.csv"):
        shutil.copy(path, folder)
    if spoil:
        june = folder / "2013-06.csv"
        june.write_text(june.read_text(encoding="utf-8").replace(f",{spoil},", ",XX,", 1), encoding="utf-8")
    for command in (["dvc", "add", "--quiet", "data/flights"], ["dvc", "push", "--quiet", "data/flights.dvc"]):
        done = subprocess.run(
            command, cwd=repository.clone, env=dvc_environment(repository.storage), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def pinned_image(repository: Repository, branch: str) -> str:
    """The image of the experiment on a branch."""
    experiment = yaml.safe_load(repository.show(branch, "k8s/katib/experiment.yaml"))
    image: str = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def reports(repository: Repository) -> list[str]:
    """The report comments of the pull request."""
    return report_comments(repository.state)


@needs_registry
def test_a_data_push_becomes_an_image_and_a_pull_request_with_a_report(
    repository: Repository, small_months: Path
) -> None:
    add_june(repository, small_months)
    pushed = repository.push(BRANCH, "June")
    run = repository.pushed(BRANCH)
    assert run.green, run

    assert [(it["head"], it["base"]) for it in repository.state.pulls.values()] == [(PROPOSED, "main")]
    assert repository.state.labels[1] == ["data"]
    (report,) = reports(repository)
    assert "2013-06" in report and "AUC" in report and "24 trials" in report
    assert "actions/runs/1/artifacts/1" in report, "the plots are a click away"
    assert "## Model report" in run.summary

    image = pinned_image(repository, PROPOSED)
    name, _, digest = image.partition("@")
    (build,) = run.inputs_of(BUILD)
    assert build["target"] == "train" and build["push"] == "true" and build["build-args"] == f"REVISION={pushed}"
    tag = build["tags"].rpartition(":")[2]
    assert digest_of(name, tag) == digest, "what is pinned is what the registry has"
    assert (run.place / "cosign.log").read_text(encoding="utf-8").split() == ["sign", "--yes", image]

    changed = repository.git(
        "-C", str(repository.github.git_folder(repository.name)), "diff", "--name-only", pushed, PROPOSED
    )
    assert {"Dockerfile", "dvc.lock", "k8s/katib/experiment.yaml", "reports/metrics.json"} <= set(changed.split())
    assert not [name for name in changed.split() if name.startswith(("build/", "data/", "models/"))]
    assert repository.github.head_of(repository.name, BRANCH) == pushed, "your branch stays yours"
    head = repository.github.head_of(repository.name, PROPOSED)
    assert [it["state"] for it in repository.state.statuses[head]] == ["success"]

    # Without an App the pull request's checks are started by hand, as GitHub starts none for its own token.
    assert repository.state.dispatches == [{"workflow": "ci.yaml", "ref": PROPOSED}]
    assert repository.state.pushes == [ACTIONS_TOKEN]
    assert repository.state.violations == []


@needs_registry
@pytest.mark.runs("data-pushed", "push", WITH)
@pytest.mark.runs("data-pushed", "workflow_dispatch", WITH)
def test_a_second_push_brings_the_same_pull_request_up_to_date(light: Repository) -> None:
    light.push(BRANCH, "June")
    assert light.pushed(BRANCH).green
    first, head = pinned_image(light, PROPOSED), light.github.head_of(light.name, PROPOSED)

    # The same commit, asked for by hand: nothing new.
    again = light.run("data-pushed", "workflow_dispatch", {"ref": f"refs/heads/{BRANCH}"}, BRANCH)
    assert again.green, again
    assert again.inputs_of(BUILD) == [], "the registry has this content already"
    assert again.inputs_of("actions/attest") == [], "another run built it"
    assert (again.place / "cosign.log").read_text(encoding="utf-8").split()[0] == "verify", "it is signed already"
    assert light.github.head_of(light.name, PROPOSED) == head
    assert len(light.state.pulls) == len(reports(light)) == len(light.state.dispatches) == 1

    light.edit("params.yaml", "margin: 0.0 ", "margin: 0.001 ")
    light.edit("reports/light.md", "AUC 0.7", "AUC 0.8")
    light.push(BRANCH, "The rest of June")
    second = light.pushed(BRANCH)
    assert second.green, second
    assert [it["title"] for it in light.state.pulls.values()] == ["data/june: The rest of June"]
    (report,) = reports(light)
    assert "AUC 0.8" in report
    assert pinned_image(light, PROPOSED) != first
    assert light.state.violations == []


def test_bad_data_is_refused_in_a_sentence_on_the_pull_request(repository: Repository, small_months: Path) -> None:
    add_june(repository, small_months, spoil="EWR")
    pushed = repository.push(BRANCH, "June")
    run = repository.pushed(BRANCH)
    assert not run.green
    (report,) = reports(repository)
    sentence = re.search(r"^> (.*)$", report, flags=re.MULTILINE)
    assert sentence and "2013-06.csv" in sentence[1] and "XX" in sentence[1]
    assert sentence[1] in run.summary
    assert run.inputs_of(BUILD) == []
    assert repository.state.labels[1] == ["data", "cannot-ship"]
    assert repository.github.head_of(repository.name, PROPOSED) == pushed, "nothing is added to what cannot ship"
    (status,) = repository.state.statuses[pushed]
    assert status["state"] == "failure" and status["context"] == "slipway/data"
    assert repository.state.violations == []


@needs_registry
def test_other_parameters_on_the_same_data_are_reported_with_plots_in_a_bucket(repository: Repository) -> None:
    repository.edit("params.yaml", "margin: 0.0\n", "margin: 0.001\n")
    sha = repository.push(BRANCH, "A margin")
    plots = {"REPORT_BUCKET": f"s3://{BUCKET}/plots", "REPORT_URL": "https://plots.example.org/plots/"}
    run = repository.pushed(BRANCH, settings=plots)
    assert run.green, run
    (report,) = reports(repository)
    shown = re.findall(rf"!\[[^]]*\]\(https://plots\.example\.org/plots/{sha}/(\w+\.svg)\)", report)
    assert shown
    assert {f"plots/{sha}/{name}" for name in shown} <= objects(repository.storage)
    context = json.loads((run.place / "context.json").read_text(encoding="utf-8"))
    prepared = [f"2013-{month:02}{kind}.npy" for month in range(1, 6) for kind in (".ids", "")]
    assert sorted(context) == sorted(prepared), "the image gets what repro had no need of"


def objects(storage: dict[str, str]) -> set[str]:
    """The plots in the bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=storage["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=storage["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=storage["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    return {it["Key"] for it in client.list_objects_v2(Bucket=BUCKET, Prefix="plots/").get("Contents", [])}


def test_what_the_workflow_itself_commits_sets_off_nothing(light: Repository) -> None:
    # On the branch of a pull request opened by hand, where the pin is committed.
    name, email = IDENTITY
    light.git("config", "user.name", name)
    light.git("config", "user.email", email)
    light.push(BRANCH, f"slipway: pin what {BRANCH} came to")
    run = light.pushed(BRANCH, by="Bot")
    assert run.green and run.stubbed == [], run


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("User", f"slipway: pin what {BRANCH} came to"),
        ("User", "slipway: more flights"),
        ("Bot", f"slipway: pin what {BRANCH} came to"),  # another's: authored by nobody of ours
        ("Bot", "Bump xgboost"),
    ],
)
def test_nobody_elses_commit_is_silenced_whatever_it_says(light: Repository, by: str, message: str) -> None:
    light.push(BRANCH, message)
    run = light.pushed(BRANCH, by=by, settings={"AWS_ROLE": ""})
    assert run.green and "Not enabled" in run.summary, "it began, and looked for its settings"


@needs_registry
def test_without_cml_the_report_still_arrives(light: Repository) -> None:
    light.push(BRANCH, "June")
    run = light.pushed(BRANCH, broken=["iterative/setup-cml"])
    assert run.green, run
    assert len(light.state.pulls) == 1 and len(reports(light)) == 1
    assert "(gh; report by gh)" in run.summary


def test_a_push_in_a_fork_does_nothing_there(light: Repository) -> None:
    # A fork is a repository of its own: it has the workflows, and neither secrets nor variables.
    light.push(BRANCH, "June")
    run = light.pushed(BRANCH, settings={"AWS_ROLE": ""}, secrets={"GITHUB_TOKEN": READ_TOKEN})
    assert run.green, run
    assert "Not enabled" in run.summary
    assert not [call for call in light.state.calls if not call.startswith("GET")]


def test_a_clone_that_still_has_the_templates_names_does_nothing(light: Repository) -> None:
    light.edit("slipway.yaml", "acme/flights", "your-org/your-repo")
    light.push(BRANCH, "June")
    run = light.pushed(BRANCH)
    assert run.green, run
    assert "`slipway.yaml`" in run.summary and light.state.pulls == {}


@needs_registry
def test_an_app_opens_the_pull_request_and_its_push_starts_the_checks(
    light: Repository, app: dict[str, dict[str, str]]
) -> None:
    light.push(BRANCH, "June")
    run = light.pushed(BRANCH, **app)
    assert run.green, run
    assert light.state.pulls[1]["by"] == APP_TOKEN and light.state.pushes == [APP_TOKEN]
    assert light.state.dispatches == [], "GitHub starts the checks itself"


@needs_registry
def test_a_registry_that_is_down_fails_the_run_and_the_pull_request_says_so(light: Repository) -> None:
    light.edit("slipway.yaml", light_registry(light), "127.0.0.1:9")
    light.push(BRANCH, "June")
    run = light.pushed(BRANCH)
    assert not run.green
    (report,) = reports(light)
    assert "the registry 127.0.0.1:9 did not answer" in report
    assert light.state.labels[1] == ["data", "cannot-ship"]
    assert "@sha256:0000" in pinned_image(light, PROPOSED)


def light_registry(repository: Repository) -> str:
    """The registry's host and port."""
    text = repository.show("main", "slipway.yaml")
    return str(yaml.safe_load(text)["images"]["train"].partition("/")[0])


def refresh(repository: Repository, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the first job's verb in the clone."""
    return subprocess.run(
        [sys.executable, "-m", "slipway", "refresh", "--base", "origin/main"],
        cwd=repository.clone,
        env=dvc_environment(repository.storage) | (environment or {}),
        capture_output=True,
        text=True,
    )


def test_data_that_was_not_pushed_to_the_remote(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    pointer = repository.clone / "data/flights.dvc"
    text = pointer.read_text(encoding="utf-8")
    (md5,) = (line for line in text.splitlines() if "md5: " in line)
    pointer.write_text(text.replace(md5, md5[:-36] + "0" * 32 + ".dir"), encoding="utf-8")
    repository.push(BRANCH, "June, but not dvc push")
    done = refresh(repository)
    assert done.returncode == 2
    assert "the .dvc file was pushed but its data was not: run `dvc push`" in done.stderr.splitlines()[-1]
    monkeypatch.chdir(repository.clone)
    assert read_verdict().failed == "pull"


def test_credentials_that_s3_refuses(repository: Repository) -> None:
    done = refresh(repository, {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert done.returncode == 2
    assert "S3 refused the credentials" in done.stderr.splitlines()[-1]


def test_a_report_over_githubs_limit_is_whole_in_the_summary(light: Repository) -> None:
    lines = "\n".join(f"| row {number:05} | {'x' * 60} |" for number in range(1500))
    report = f"## Model report\n\n{lines}\n\nthe end"
    (light.clone / "reports/light.md").write_text(report, encoding="utf-8")
    summary = light.folder / "summary"
    path = f"{light.programs}:{dvc_environment({})['PATH']}"
    done = refresh(light, {"GITHUB_STEP_SUMMARY": str(summary), "PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(report) > COMMENT_LIMIT and report in summary.read_text(encoding="utf-8")
