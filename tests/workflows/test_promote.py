"""promote and rollback, run by act with a real MLflow registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.gate.decision import keep
from slipway.registry.registry import Registry, open_registry
from slipway.release.manifest import ServedModel, render_model_patch
from tests.release.test_promotion import decision_on
from tests.workflows.conftest import RULES, WITH, Repository, Run
from tests.workflows.github import merging
from tests.workflows.test_data_pushed import reports

HEAD = "slipway/promote-production"
MANIFEST = "k8s/serving/overlays/production/model.yaml"
STAGED = "k8s/serving/overlays/staging/model.yaml"
MODEL = "flight-delay"


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's database with two versions, the first of them the champion, and the gate's decision on both."""
    folder = tmp_path_factory.mktemp("mlflow")
    registry = open_registry(f"sqlite:///{folder / 'mlflow.db'}")
    for number, auc in ((1, 0.70), (2, 0.72)):
        model = folder / f"model-{number}"
        model.mkdir()
        (model / "metadata.json").write_text(f'{{"number": {number}}}', encoding="utf-8")
        tags = {"git_sha": f"{number}" * 40, "data_md5": f"{number}" * 32}
        version = registry.register_folder(MODEL, model, tags=tags, metrics={"holdout-auc": auc})
        keep(registry, version, decision_on(version.spec, None if number == 1 else f"{MODEL}/1"))
    registry.set_alias(MODEL, "champion", 1)
    return folder / "mlflow.db"


@pytest.fixture
def models(empty_registry: Path, tmp_path: Path) -> Registry:
    """A registry of the test's own."""
    copy = tmp_path / "mlflow.db"
    copy.write_bytes(empty_registry.read_bytes())
    return open_registry(f"sqlite:///{copy}")


@pytest.fixture
def promote(light: Repository, models: Registry) -> Callable[..., Run]:
    """Run promote, to production if nothing else is said, as the tune workflow's message or by hand."""
    light.settings["MLFLOW_TRACKING_URI"] = models.uri

    def run(event: str = "repository_dispatch", **payload: object) -> Run:
        payload = {"environment": "production"} | payload
        key = "client_payload" if event == "repository_dispatch" else "inputs"
        return light.run("promote", event, {key: payload})

    return run


@pytest.mark.runs("promote", "repository_dispatch", WITH)
@pytest.mark.runs("promote", "workflow_dispatch", WITH)
@pytest.mark.runs("rollback", "push", WITH)
def test_the_champion_becomes_a_pull_request_and_merged_the_alias_follows(
    light: Repository, models: Registry, promote: Callable[..., Run]
) -> None:
    light.state.allow_auto_merge, light.state.rulesets = True, [{"id": 1, **RULES}]
    run = promote(version="1")
    assert run.green, run
    assert [it["head"] for it in light.state.pulls.values()] == [HEAD]
    assert "auto_merge" not in light.state.pulls[1] and "merge itself" not in run.summary, (
        "production waits for a person"
    )
    assert set(light.state.labels[1]) == {"promotion", "production"}
    (report,) = reports(light)
    assert f"{MODEL}/1 for production" in report and "0.7000" in report
    assert f"### Passed: {MODEL}/1 with no champion to beat" in report and "| carrier UA | 4,975 |" in report
    diff = light.git("-C", str(light.github.git_folder(light.name)), "diff", "--name-only", "main", HEAD)
    assert diff.split() == [MANIFEST]

    # Asked for once more, by hand this time: nothing new.
    head = light.github.head_of(light.name, HEAD)
    assert promote("workflow_dispatch").green
    assert light.github.head_of(light.name, HEAD) == head
    assert len(light.state.pulls) == len(reports(light)) == 1

    # Meanwhile the alias went on; merged, Git is right.
    models.set_alias(MODEL, "champion", 2)
    light.git("fetch", "--quiet", str(light.github.git_folder(light.name)), HEAD)
    light.git("push", "--quiet", str(light.github.git_folder(light.name)), "FETCH_HEAD:refs/heads/main")
    run = light.pushed("main", "rollback")
    assert run.green, run
    assert models.aliases(MODEL)["champion"] == 1
    assert light.state.violations == []


def test_an_alias_that_moved_meanwhile_is_not_promoted(
    light: Repository, models: Registry, promote: Callable[..., Run]
) -> None:
    models.set_alias(MODEL, "champion", 2)
    run = promote(version="1")
    assert not run.green
    assert "stands for flight-delay/2 now, not for version 1" in run.log
    assert light.state.pulls == {}


def test_a_staging_promotion_merges_itself_once_the_rules_of_main_are_met(
    light: Repository, promote: Callable[..., Run]
) -> None:
    light.state.allow_auto_merge, light.state.rulesets = True, [{"id": 1, **RULES}]
    image = f"ghcr.io/acme/flights/serve@sha256:{'5' * 64}"
    (light.clone / STAGED).write_text(render_model_patch(ServedModel(serve_image=image)), encoding="utf-8")
    light.push("main", "The server")
    main = light.github.head_of(light.name, "main")
    run = promote(environment="staging", version="1")
    assert run.green, run
    assert "It merges itself once the rules of `main` are met." in run.summary
    assert light.state.pulls[1]["auto_merge"] == "SQUASH"

    merging.check_passed(light.github, light.name, 1, "ci")
    assert light.state.pulls[1]["state"] == "open" and light.github.head_of(light.name, "main") == main
    merging.approved(light.github, light.name, 1)
    assert light.state.pulls[1]["state"] == "closed"
    diff = light.git("-C", str(light.github.git_folder(light.name)), "diff", "--name-only", main, "main")
    assert diff.split() == [STAGED]
    assert f"{MODEL}/1" in light.show("main", STAGED) and image in light.show("main", STAGED)
    assert light.state.violations == []


def test_a_version_that_the_gate_has_not_passed_waits_for_a_person(
    light: Repository, models: Registry, promote: Callable[..., Run], tmp_path: Path
) -> None:
    light.state.allow_auto_merge, light.state.rulesets = True, [{"id": 1, **RULES}]
    (tmp_path / "model").mkdir()
    (tmp_path / "model/metadata.json").write_text('{"number": 3}', encoding="utf-8")
    version = models.register_folder(MODEL, tmp_path / "model", tags={"git_sha": "3" * 40}, metrics={})
    keep(models, version, decision_on(version.spec, f"{MODEL}/1", passed=False))
    run = promote("workflow_dispatch", environment="staging", model=version.spec)
    assert run.green, run
    assert "auto_merge" not in light.state.pulls[1]
    assert "**It does not merge itself**" in run.summary and f"**The gate refused {MODEL}/3**" in run.summary
    assert not [call for call in light.state.calls if "merge" in call.lower()]


@pytest.mark.runs("rollback", "workflow_dispatch", WITH)
def test_a_revert_of_a_merged_promotion_takes_the_alias_back(light: Repository, models: Registry) -> None:
    light.settings["MLFLOW_TRACKING_URI"] = models.uri
    serves(light, models, 1)
    serves(light, models, 2)
    models.set_alias(MODEL, "champion", 2)
    light.git("revert", "--no-edit", "HEAD")
    light.push("main", "Something else")
    run = light.pushed("main", "rollback")
    assert run.green, run
    assert models.aliases(MODEL)["champion"] == 1
    assert f"champion is now {MODEL}/1" in run.summary

    again = light.run("rollback", "workflow_dispatch", {})
    assert again.green, again
    assert f"champion is {MODEL}/1 already" in again.summary and models.aliases(MODEL)["champion"] == 1


def test_a_manifest_that_cannot_be_followed_is_red_and_moves_no_alias(light: Repository, models: Registry) -> None:
    light.settings["MLFLOW_TRACKING_URI"] = models.uri
    serves(light, models, 7)
    run = light.pushed("main", "rollback")
    assert not run.green
    assert "has no version 7; its versions: 2, 1" in run.log and "Traceback" not in run.log
    assert models.aliases(MODEL)["champion"] == 1


def serves(repository: Repository, models: Registry, version: int) -> None:
    """Write by hand, and push to main, that production serves a version."""
    uri = models.storage_uri(models.resolve(f"{MODEL}/1"))
    served = ServedModel(model_uri=uri, version=f"{MODEL}/{version}")
    (repository.clone / MANIFEST).write_text(render_model_patch(served), encoding="utf-8")
    repository.push("main", f"Production serves {version}")
