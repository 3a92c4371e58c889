"""The best trials, from a file or from a cluster's API."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from slipway.__main__ import main
from slipway.serving.served import free_port
from tests.conftest import TEMPLATE
from tests.search.conftest import Searches
from tests.search.test_tune import environment, listed
from tests.standins.kube import log_in


def trial(name: str, x: str, *, state: str = "Succeeded", kind: str = "maximize", **auc: str) -> dict[str, Any]:
    """A Trial as `kubectl get trials -o json` shows it; ``auc`` has min, max and latest."""
    conditions = [
        {"type": "Created", "status": "True", "reason": "TrialCreated"},
        {"type": "Running", "status": "False", "reason": "TrialRunning"},
        {"type": state, "status": "True", "reason": f"Trial{state}"},
    ]
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Trial",
        "metadata": {
            "name": name,
            "namespace": "slipway-trials",
            "labels": {"katib.kubeflow.org/experiment": "tune-0123456789ab"},
            "ownerReferences": [{"kind": "Experiment", "name": "tune-0123456789ab"}],
        },
        "spec": {
            "objective": {
                "type": kind,
                "objectiveMetricName": "validation-auc",
                "metricStrategies": [{"name": "validation-auc", "value": "latest"}],
            },
            "parameterAssignments": [{"name": "x", "value": x}],
            "runSpec": {"kind": "Job"},
        },
        "status": {
            "conditions": conditions,
            "observation": {
                "metrics": [
                    {"name": "validation-logloss", "min": "0.1", "max": "0.1", "latest": "0.1"},
                    {"name": "validation-auc", **({"min": "0", "max": "1", "latest": "0.5"} | auc)},
                ]
            },
        },
    }


def collect(folder: Path, items: Any, *flags: str) -> tuple[int, list[dict[str, Any]]]:
    """Write the list, run the verb; its exit code and what it took."""
    (folder / "trials.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    out = folder / "top.json"
    out.unlink(missing_ok=True)
    code = main(["collect", "--trials", str(folder / "trials.json"), "--out", str(out), *flags])
    return code, json.loads(out.read_text())["trials"] if out.exists() else []


def names(trials: list[dict[str, Any]]) -> list[str]:
    return [taken["name"] for taken in trials]


def test_the_best_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = [trial(n, x, latest=auc) for n, x, auc in (("a", "1", "0.6"), ("b", "2", "0.8"), ("c", "3", "0.7"))]
    code, best = collect(tmp_path, items, "--top", "2")
    assert code == 0
    assert best == [
        {"name": "b", "parameters": {"x": "2"}, "metric": "validation-auc", "value": 0.8},
        {"name": "c", "parameters": {"x": "3"}, "metric": "validation-auc", "value": 0.7},
    ]
    assert json.loads((tmp_path / "top.json").read_text())["experiment"] == "tune-0123456789ab"
    assert capsys.readouterr().out.splitlines()[:2] == ["b  validation-auc=0.8", "c  validation-auc=0.7"]


def test_the_least_come_first_when_less_is_better(tmp_path: Path) -> None:
    items = [trial(n, n, kind="minimize", latest=v) for n, v in (("a", "0.6"), ("b", "0.8"), ("c", "-0.7"))]
    assert names(collect(tmp_path, items)[1]) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("strategies", "kind", "first"),
    [
        ([{"name": "validation-auc", "value": "min"}], "maximize", "steady"),
        ([{"name": "validation-auc", "value": "max"}], "maximize", "lucky"),
        ([{"name": "validation-auc", "value": "latest"}], "maximize", "late"),
        ([{"name": "validation-logloss", "value": "latest"}], "maximize", "lucky"),
        (None, "maximize", "lucky"),
        (None, "minimize", "late"),
    ],
)
def test_the_strategy_says_what_counts(tmp_path: Path, strategies: Any, kind: str, first: str) -> None:
    items = [
        trial("steady", "1", min="0.5", max="0.6", latest="0.55"),
        trial("lucky", "2", min="0.4", max="0.9", latest="0.5"),
        trial("late", "3", min="0.3", max="0.8", latest="0.8"),
    ]
    for item in items:
        item["spec"]["objective"] |= {"type": kind, "metricStrategies": strategies}
    assert names(collect(tmp_path, items)[1])[0] == first


def test_the_same_parameters_count_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = [trial("a", "1", latest="0.8"), trial("b", "1", latest="0.9"), trial("c", "2", latest="0.7")]
    assert names(collect(tmp_path, items, "--top", "3")[1]) == ["b", "c"]
    assert "only 2 of the 3 asked for succeeded with parameters of their own" in capsys.readouterr().out


@pytest.mark.parametrize("state", ["Failed", "EarlyStopped", "MetricsUnavailable", "Killed", "Running"])
def test_only_trials_that_succeeded_are_taken(tmp_path: Path, state: str) -> None:
    items = [trial("best", "1", state=state, latest="0.99"), trial("good", "2", latest="0.8")]
    assert names(collect(tmp_path, items)[1]) == ["good"]


@pytest.mark.parametrize("value", ["unavailable", "", "nan", "inf", "-inf", None])
def test_a_value_that_is_no_number_is_not_taken(tmp_path: Path, value: Any) -> None:
    items = [trial("odd", "1", latest=value), trial("good", "2", latest="0.8")]
    assert names(collect(tmp_path, items)[1]) == ["good"]


def test_trials_that_have_not_begun_are_passed_over(tmp_path: Path) -> None:
    fresh, unseen = trial("fresh", "1"), trial("unseen", "2")
    del fresh["status"], unseen["status"]["observation"]
    assert names(collect(tmp_path, [fresh, unseen, trial("good", "3")])[1]) == ["good"]


@pytest.mark.parametrize("items", [[], [trial("a", "1", state="Failed")]])
def test_when_none_succeeded_there_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], items: list[Any]
) -> None:
    code, best = collect(tmp_path, items)
    assert (code, best) == (2, [])
    assert f"has {len(items)} trials and none succeeded with a finite metric" in capsys.readouterr().err


def test_trials_of_two_experiments_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = trial("b", "2")
    other["metadata"]["labels"]["katib.kubeflow.org/experiment"] = "tune-fedcba987654"
    assert collect(tmp_path, [trial("a", "1"), other])[0] == 2
    assert "has trials of tune-0123456789ab and tune-fedcba987654: take one experiment's" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{}", "[]", '{"items": [{"kind": "Pod"}]}', '{"items": [1]}', '{"items": {}}'])
def test_a_file_that_is_no_list_of_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "trials.json").write_text(text)
    assert main(["collect", "--trials", str(tmp_path / "trials.json"), "--out", str(tmp_path / "top.json")]) == 2
    assert "is no list of Trials: give what `python -m slipway tune` or" in capsys.readouterr().err


def test_a_file_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", "--trials", str(tmp_path / "no.json")]) == 2
    assert "no.json is missing: make it with `python -m slipway tune`" in capsys.readouterr().err


def test_top_is_one_at_least(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert collect(tmp_path, [trial("a", "1")], "--top", "0")[0] == 2
    assert "--top is 0, expected at least 1" in capsys.readouterr().err


def test_a_local_search_is_collected_as_it_is(searches: Searches, tmp_path: Path) -> None:
    outcome = searches.tune(listed("0.4", "nan", "0.7", "0.5"))
    out = tmp_path / "top.json"
    assert main(["collect", "--trials", str(outcome.folder / "trials.json"), "--out", str(out), "--top", "2"]) == 0
    top = json.loads(out.read_text())
    assert top["experiment"] == "try"
    assert names(top["trials"]) == ["try-003", "try-004"]


class Api:
    """A Kubernetes API that has Trials in one namespace, or answers with one fault."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.fault: tuple[int, str] | None = None
        self.asked: list[str] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked.append(self.path)
                code, body = api.answer(self.path)
                payload = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: Any) -> None:
                """Quietly."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if self.fault:
            code, message = self.fault
            return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
        address = urlparse(path)
        if address.path != "/apis/kubeflow.org/v1beta1/namespaces/slipway-trials/trials":
            return 404, {"kind": "Status", "message": "the server could not find the requested resource", "code": 404}
        selector = parse_qs(address.query).get("labelSelector", [""])[0]
        kept = [
            i
            for i in self.items
            if not selector or selector in [f"{k}={v}" for k, v in i["metadata"]["labels"].items()]
        ]
        return 200, {"apiVersion": "kubeflow.org/v1beta1", "kind": "TrialList", "metadata": {}, "items": kept}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A cluster that a kubeconfig leads to; slipway.yaml names the namespace."""
    api = Api()
    log_in(tmp_path, monkeypatch, api.server.server_port)
    monkeypatch.chdir(TEMPLATE)
    yield api
    api.server.shutdown()
    api.server.server_close()


def ask(out: Path, *flags: str) -> int:
    return main(["collect", "--cluster", "tune-0123456789ab", "--out", str(out), *flags])


def test_the_trials_of_an_experiment_in_the_cluster(cluster: Api, tmp_path: Path) -> None:
    other = trial("other", "9", latest="0.99")
    other["metadata"]["labels"]["katib.kubeflow.org/experiment"] = "tune-fedcba987654"
    cluster.items = [trial("a", "1", latest="0.6"), trial("b", "2", latest="0.8"), other]
    assert ask(tmp_path / "top.json", "--top", "2") == 0
    top = json.loads((tmp_path / "top.json").read_text())
    assert names(top["trials"]) == ["b", "a"]
    assert top["experiment"] == "tune-0123456789ab"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((403, 'trials.kubeflow.org is forbidden: User "me" cannot list'), "(403): trials.kubeflow.org is forbidden"),
        ((401, "Unauthorized"), "(401): Unauthorized"),
        (
            (404, "the server could not find the requested resource"),
            "the cluster has no such kind (404, list trials in slipway-trials)",
        ),
    ],
)
def test_what_the_api_refuses_is_a_sentence(
    cluster: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: tuple[int, str], said: str
) -> None:
    cluster.fault = fault
    assert ask(tmp_path / "top.json") == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_a_cluster_that_is_ill_may_be_asked_again(
    cluster: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.fault = (500, "etcdserver: request timed out")
    assert ask(tmp_path / "top.json") == 75
    assert "(500): etcdserver: request timed out" in capsys.readouterr().err


def test_an_experiment_the_cluster_does_not_have(
    cluster: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path / "top.json") == 2
    assert "namespace slipway-trials has no trials of an experiment named tune-0123456789ab" in capsys.readouterr().err
    assert cluster.asked == [
        "/apis/kubeflow.org/v1beta1/namespaces/slipway-trials/trials"
        "?labelSelector=katib.kubeflow.org/experiment%3Dtune-0123456789ab"
    ]


def test_a_cluster_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in(tmp_path, monkeypatch, free_port())
    assert ask(tmp_path / "top.json", "--namespace", "any") == 75
    assert "the cluster does not answer" in capsys.readouterr().err


def test_no_cluster_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert ask(tmp_path / "top.json", "--namespace", "any") == 2
    assert "there is no cluster to ask" in capsys.readouterr().err


def test_a_kubeconfig_that_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kubeconfig").write_text("current-context: nowhere\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    assert ask(tmp_path / "top.json", "--namespace", "any") == 2
    err = capsys.readouterr().err
    assert "there is no cluster to ask" in err
    assert "Traceback" not in err


def test_collecting_needs_none_of_the_searchs_libraries() -> None:
    """In the cluster it runs in the train image, which has neither."""
    heavy = "{'optuna', 'kubeflow_katib_api', 'kubernetes'}"
    lines = f"import sys, slipway.search.collect; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", lines], check=True, env=environment(), capture_output=True, text=True)
    assert done.stdout == "set()\n"
