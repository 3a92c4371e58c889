"""What a webhook sets off: the Sensor's own filter, run as it stands in the manifest, on GitHub's payloads.

Argo Events runs the script with Lua 5.1 on what the event source hands over: the headers as lists, and the body with
the name of the event. tests/cluster runs the real controllers.
"""

from __future__ import annotations

import json
import re
from typing import Any

import lupa.lua51 as lua
import pytest
import yaml
from tests.conftest import ROOT
from tests.fixtures.webhooks.derive import MERGE, REPOSITORY, body, headers

from slipway.names import load_names
from slipway.release.pin import EXPERIMENT

EVENTS = ROOT / "argo/events"
Push = dict[str, Any]


def manifest(name: str) -> Any:
    """The one object of a file."""
    return yaml.safe_load((EVENTS / f"{name}.yaml").read_text(encoding="utf-8"))


(DEPENDENCY,) = manifest("sensor")["spec"]["dependencies"]
(TRIGGER,) = manifest("sensor")["spec"]["triggers"]


def decision(push: Push, name: str = "push", sent_as: str = "application/json") -> str:
    """`starts`, or what the Sensor writes to its log."""
    ours = load_names(ROOT / "slipway.yaml").repository
    if push.get("repository", {}).get("full_name") == REPOSITORY:
        push["repository"]["full_name"] = ours
    sent = headers("push") | {"Content-Type": sent_as}
    event = {
        "headers": {key: [value] for key, value in sent.items()},
        "body": push | {"X-GitHub-Event": name, "X-GitHub-Delivery": sent["X-GitHub-Delivery"]},
    }
    machine = lua.LuaRuntime()
    machine.globals().event = machine.table_from(_tables(machine, event))
    try:
        return "starts" if machine.execute(DEPENDENCY["filters"]["script"]) is True else "nothing is said"
    except lua.LuaError as error:
        return str(error).partition("\nstack traceback")[0]


def _tables(machine: Any, value: Any) -> Any:
    """Maps and lists as Lua's tables; what is null is not there."""
    if isinstance(value, dict):
        return machine.table_from({key: _tables(machine, it) for key, it in value.items() if it is not None})
    return machine.table_from([_tables(machine, it) for it in value]) if isinstance(value, list) else value


def push_of(*modified: str, **changed: Any) -> Push:
    """GitHub's push, with these files modified."""
    push: Push = json.loads(body("push"))
    for commit in [push["head_commit"], *push["commits"]]:
        commit |= {"added": [], "modified": list(modified), "removed": []}
    return push | changed


def test_a_merge_that_moves_data_and_pin_starts() -> None:
    assert decision(json.loads(body("push"))) == "starts"


@pytest.mark.parametrize(
    "path",
    [
        "data/flights.dvc",
        "data/deep/er.dvc",
        "dvc.lock",
        "params.yaml",
        "src/slipway/model/features.py",
        str(EXPERIMENT),
    ],
)
@pytest.mark.parametrize("how", ["added", "modified", "removed"])
def test_every_part_of_a_search_starts_it_whatever_was_done_to_it(path: str, how: str) -> None:
    push = push_of("README.md")
    push["commits"][-1][how] = ["docs/a.md", path]
    assert decision(push) == "starts"


def test_any_commit_of_a_merge_counts_and_the_merge_itself_may_name_none() -> None:
    push = push_of()
    push["commits"] = [{**push["commits"][0], "modified": ["data/flights.dvc"]}, push["commits"][0]]
    assert decision(push) == "starts"


@pytest.mark.parametrize(
    "path",
    [
        "k8s/serving/overlays/staging/model.yaml",  # the promotion's own commit: the loop must not feed itself
        "docs/data/flights.dvc",
        "data/flights.dvc.md",
        "dvcXlock",
        "old/params.yaml",
        "params.yaml.bak",
        "src/slipway/models.py",
        "k8s/katib/experiment.yaml.orig",
        "README.md",
    ],
)
def test_other_files_start_nothing(path: str) -> None:
    assert decision(push_of(path)) == "nothing to search: none of the 1 commits names a file of the search"


@pytest.mark.parametrize(
    "ref", ["refs/heads/maintenance", "refs/heads/feature/main", "refs/tags/main", "refs/heads/main2", "main"]
)
def test_another_branch_and_a_tag_start_nothing(ref: str) -> None:
    assert decision(push_of("data/flights.dvc", ref=ref)) == f"nothing to search: a push to {ref}"


def test_another_repository_starts_nothing_and_the_case_of_a_name_is_no_matter() -> None:
    push = push_of("data/flights.dvc")
    push["repository"]["full_name"] = f"{REPOSITORY}-fork"
    assert decision(push) == f"nothing to search: a push to the repository {REPOSITORY}-fork"
    push["repository"]["full_name"] = load_names(ROOT / "slipway.yaml").repository.upper()
    assert decision(push) == "starts"


def test_a_deleted_branch_starts_nothing() -> None:
    gone = push_of("data/flights.dvc", deleted=True, after="0" * 40)
    assert decision(gone) == "nothing to search: main is at no commit"


@pytest.mark.parametrize("after", ["", "$(id)", "g" * 40, MERGE + "0"])
def test_what_is_no_commit_makes_no_name(after: str) -> None:
    assert decision(push_of("data/flights.dvc", after=after)) == "nothing to search: main is at no commit"


def test_a_ping_a_pull_request_and_a_form_start_nothing() -> None:
    ping = {"zen": "Keep it logically awesome.", "hook_id": 1, "repository": {"full_name": REPOSITORY}}
    assert decision(ping, "ping") == "nothing to search: a ping, no push"
    assert (
        decision(json.loads(body("pull_request-merged")), "pull_request")
        == "nothing to search: a pull_request, no push"
    )
    form = "application/x-www-form-urlencoded"
    assert decision(push_of("data/flights.dvc"), sent_as=form) == "nothing to search: not sent as JSON"


def test_what_github_does_not_name_is_left_to_catch_up() -> None:
    assert "none of the 0 commits" in decision(push_of(forced=True, commits=[]))
    many = push_of("README.md")
    many["commits"] = many["commits"] * 2048
    assert "none of the 2048 commits" in decision(many)


def test_a_payload_without_what_a_push_has_is_an_error_and_no_start() -> None:
    for gone in ("repository", "ref", "after", "commits"):
        push = push_of("data/flights.dvc")
        del push[gone]
        assert decision(push) != "starts", gone


def test_a_workflow_has_its_commits_name_and_nothing_but_the_template() -> None:
    template = TRIGGER["template"]
    assert TRIGGER["atLeastOnce"] is True and "atLeastOnce" not in template, "under `template` it is silently ignored"
    assert TRIGGER["retryStrategy"]["steps"] <= 3, "what comes twice is an error each time"
    assert TRIGGER["rateLimit"]
    workflow = template["k8s"]["source"]["resource"]
    assert workflow["metadata"] == {
        "name": "tune-",
        "namespace": load_names(ROOT / "slipway.yaml").namespaces.workflows,
    }
    assert set(workflow["spec"]) == {"workflowTemplateRef", "arguments"}
    name, sha = template["k8s"]["parameters"]
    assert (name["dest"], name["operation"]) == ("metadata.name", "append")
    assert name["src"]["dataTemplate"] == "{{ substr 0 12 .Input.body.after }}"
    assert (sha["src"]["dataKey"], sha["dest"]) == ("body.after", "spec.arguments.parameters.0.value")
    assert {it["src"]["dependencyName"] for it in (name, sha)} == {DEPENDENCY["name"]}


def test_a_delivery_is_signed_and_nothing_here_holds_a_token() -> None:
    source = manifest("eventsource")["spec"]["github"][DEPENDENCY["eventName"]]
    assert source["webhookSecret"] == {"name": "github-webhook", "key": "secret"}
    assert not {"apiToken", "githubApp"} & set(source) and "url" not in source["webhook"]
    assert source["insecure"] is False and source["contentType"] == "json"
    owner, name = load_names(ROOT / "slipway.yaml").repository.split("/")
    assert source["repositories"] == [{"owner": owner, "names": [name]}]


def test_the_bus_carries_whatever_the_event_source_admits() -> None:
    (source,) = manifest("eventsource")["spec"]["github"].values()
    jetstream = manifest("eventbus")["spec"]["jetstream"]
    (admitted,) = re.findall(r"^(\d+)MB$", jetstream["maxPayload"])
    assert source["webhook"]["maxPayloadSize"] * 1.5 < int(admitted) * 1_000_000
    assert jetstream["replicas"] == yaml.safe_load(jetstream["streamConfig"])["replicas"], "or no stream is made"


def test_each_has_an_account_with_nothing_but_what_it_does() -> None:
    objects = list(yaml.safe_load_all((EVENTS / "rbac.yaml").read_text(encoding="utf-8")))
    accounts = {it["metadata"]["name"]: it for it in objects if it["kind"] == "ServiceAccount"}
    assert set(accounts) == {"eventsource", "sensor", "eventbus"}
    assert {name for name, it in accounts.items() if it.get("automountServiceAccountToken") is not False} == {"sensor"}
    (role,) = (it for it in objects if it["kind"] == "Role")
    assert role["rules"] == [{"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create"]}]
    (binding,) = (it for it in objects if it["kind"] == "RoleBinding")
    assert [it["name"] for it in binding["subjects"]] == ["sensor"]
    used = [manifest(name)["spec"]["template"]["serviceAccountName"] for name in ("eventsource", "sensor")]
    assert used == ["eventsource", "sensor"]
    assert manifest("eventbus")["spec"]["jetstream"]["serviceAccountName"] == "eventbus"
