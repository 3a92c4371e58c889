"""promote and rollback, run by act with a real MLflow registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.loop.decision import keep
from slipway.loop.registry import Registry, open_registry
from tests.loop.test_promotion import decision_on
from tests.workflows.conftest import Repository, Run
from tests.workflows.test_data_pushed import reports

HEAD = "slipway/promote-production"
MANIFEST = "k8s/serving/overlays/production/model.yaml"
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
    """Run promote to production, as the tune workflow's message or by hand."""
    light.settings["MLFLOW_TRACKING_URI"] = models.uri

    def run(event: str = "repository_dispatch", **payload: object) -> Run:
        payload = {"environment": "production"} | payload
        key = "client_payload" if event == "repository_dispatch" else "inputs"
        return light.run("promote", event, {key: payload})

    return run


def test_the_champion_becomes_a_pull_request_and_merged_the_alias_follows(
    light: Repository, models: Registry, promote: Callable[..., Run]
) -> None:
    run = promote(version="1")
    assert run.green, run
    assert [it["head"] for it in light.state.pulls.values()] == [HEAD]
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
