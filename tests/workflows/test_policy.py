"""What every workflow and action keeps to. zizmor, actionlint and check-jsonschema look at the rest in `make lint`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.errors import UserError
from slipway.names import Promotions, load_names
from slipway.release import promotion
from tests.conftest import TEMPLATE
from tests.workflows.conftest import ACTIONS, ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yaml"))
COMPOSITES = sorted((GITHUB / "actions").glob("*/action.yaml"))
_USES = re.compile(r"\buses: (\S+)(.*)")


def read(path: Path) -> dict[str, Any]:
    """A workflow or an action."""
    whole: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return whole


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step there is, and where."""
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield from ((f"{path.name}: {name}", step) for step in job["steps"])
    for path in COMPOSITES:
        yield from ((f"{path.parent.name}", step) for step in read(path)["runs"]["steps"])


@pytest.mark.parametrize("path", [*WORKFLOWS, *COMPOSITES], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_actions_are_pinned_to_a_commit_with_its_version_beside_it(path: Path) -> None:
    for action, comment in _USES.findall(path.read_text(encoding="utf-8")):
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), f"{action}{comment}"
            assert action in ACTIONS, f"{action} is new: add its inputs to tests/workflows/actions.json"


def test_inputs_are_those_the_action_declares_at_that_commit() -> None:
    for where, step in steps():
        action = step.get("uses", "")
        given = set(step.get("with", {}))
        if action.startswith("./"):
            declared = read(ROOT / action / "action.yaml").get("inputs", {})
            known = set(declared)
            required = {name for name, it in declared.items() if it.get("required") and "default" not in it}
        elif action:
            known, required = set(ACTIONS[action]["inputs"]), set(ACTIONS[action]["required"])
        else:
            continue
        assert given <= known, f"{where}: {action} has no input {given - known}"
        assert required <= given, f"{where}: {action} needs {required - given}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_least_permissions_and_a_limit_for_every_job(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}, "rights are given job by job"
    assert "group" in workflow["concurrency"]
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert 0 < job["timeout-minutes"] <= 120, name
        assert "vars.RUNNER" in job["runs-on"], name


def test_who_proposes_may_do_all_that_proposing_is() -> None:
    needed = {"contents", "pull-requests", "issues", "actions"}  # issues: a label that is not there yet is made
    proposing = []
    for path in WORKFLOWS:
        for job in read(path)["jobs"].values():
            if words := next((run for step in job["steps"] if "propose" in (run := step.get("run", ""))), ""):
                proposing.append(path.stem)
                also = {"statuses"} if "--source" in words else set()
                assert {name for name, may in job["permissions"].items() if may == "write"} == needed | also, path.stem
    assert proposing == ["data-pushed", "init", "promote", "serve-image", "smoke", "template-sync"]
    app = read(GITHUB / "actions/token/action.yaml")["runs"]["steps"][0]["with"]
    assert {name for name in app if name.startswith("permission-")} == {
        f"permission-{name}" for name in needed | {"statuses"}
    }


@pytest.mark.parametrize(
    "name", ["data-pushed", "promote", "serve-image", "rollback", "init", "template-release", "template-sync"]
)
def test_what_writes_is_never_cut_off(name: str) -> None:
    assert read(GITHUB / f"workflows/{name}.yaml")["concurrency"]["cancel-in-progress"] is False


def test_no_checkout_leaves_its_token_behind() -> None:
    checkouts = [(where, step) for where, step in steps() if "actions/checkout@" in step.get("uses", "")]
    assert checkouts
    for where, step in checkouts:
        assert step["with"]["persist-credentials"] is False, where


ASKS_HISTORY = re.compile(r"slipway (refresh|report|propose|release|register|trace|demo)\b|make (test|lint|demo)\b")
"""What asks Git for more than the commit that is checked out; `make lint` looks for secrets in all of it."""


def test_who_asks_git_for_its_history_has_all_of_it() -> None:
    found = set()
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            if any(ASKS_HISTORY.search(step.get("run", "")) for step in job["steps"]):
                (checkout,) = (step for step in job["steps"] if "actions/checkout@" in step.get("uses", ""))
                assert checkout["with"].get("fetch-depth") == 0, f"{path.stem}: {name}"
                found.add(path.stem)
    assert {"ci", "data-pushed", "report", "promote", "template-release"} <= found


@pytest.mark.parametrize("path", [*WORKFLOWS, *COMPOSITES], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_workflow_carries_a_name_that_init_would_have_to_change(path: Path) -> None:
    # GitHub lets no workflow's token change a file in .github/workflows.
    names, text = load_names(ROOT / "slipway.yaml"), path.read_text(encoding="utf-8")
    for name in (names.repository, names.repository.partition("/")[0], names.storage.data, names.storage.models):
        assert name not in text


def test_logic_is_in_python() -> None:
    for where, step in steps():
        assert len(step.get("run", "").strip().splitlines()) <= 4, where
        assert "${{" not in step.get("run", ""), f"{where}: values come in by env, never pasted into a script"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_docs_name_every_workflow_and_every_setting(path: Path) -> None:
    page = (ROOT / "docs/github.md").read_text(encoding="utf-8")
    assert f"`{path.stem}`" in page
    text = path.read_text(encoding="utf-8")
    for name in set(re.findall(r"(?:vars|secrets)\.([A-Z0-9_]+)", text)):
        assert f"`{name}`" in page, name


def test_production_is_approved_by_its_owners_and_a_staging_promotion_by_anyone() -> None:
    lines = (TEMPLATE / ".github/CODEOWNERS").read_text(encoding="utf-8").splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]

    def owners(path: str) -> list[str]:
        return [them for place, *them in rules if path.startswith(place)][-1]  # as GitHub: the last that fits

    assert owners("/k8s/serving/overlays/production/model.yaml") == ["@your-org/model-owners"]
    assert owners("/k8s/serving/overlays/staging/model.yaml") == []
    assert owners("/k8s/serving/overlays/staging/kustomization.yaml") == ["@your-org/platform"]


def test_only_staging_is_told_to_merge_itself_and_a_misspelt_environment_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(TEMPLATE)
    monkeypatch.setattr(promotion, "OVERLAYS", ROOT / promotion.OVERLAYS)
    assert promotion.merges_itself("staging") and not promotion.merges_itself("production")
    names = load_names().model_copy(update={"promotions": Promotions(auto_merge=("stagging",))})
    monkeypatch.setattr(promotion, "load_names", lambda: names)
    with pytest.raises(UserError, match=r"promotions\.auto_merge: 'stagging' is no folder of .*k8s/serving/overlays"):
        promotion.merges_itself("staging")
