"""Workflows, Experiments and Trials in the shapes that Argo Workflows 4.0.5 and Katib 0.19 leave them in."""

from __future__ import annotations

import json
from typing import Any

from tests.standins.kube import Kube

WORKFLOWS, TRIALS = "slipway-workflows", "slipway-trials"
DECISION = {
    "challenger": "numbers/7",
    "champion": "numbers/6",
    "passed": True,
    "held_out": ["2026-06"],
    "rows": 1000,
    "checks": [{"name": "floor: AUC", "passed": True, "reason": "AUC is 0.7000; at least 0.62"}],
    "scores": {"challenger": {"auc": 0.7}, "champion": {"auc": 0.69}},
    "slices": [],
}
REFUSED = DECISION | {
    "passed": False,
    "checks": [
        {"name": "floor: AUC", "passed": True, "reason": "AUC is 0.7000; at least 0.62"},
        {
            "name": "better than the champion",
            "passed": False,
            "reason": "AUC differs by -0.0100 | <b>95%</b>",
        },
    ],
}


class Run:
    """One workflow, built up step by step; :meth:`put` gives it to the cluster's stand-in."""

    def __init__(self, sha: str, phase: str = "Running", message: str = "") -> None:
        self.sha, self.name = sha, f"tune-{sha[:12]}"
        self.phase, self.message = phase, message
        self.nodes: dict[str, Any] = {}
        self.shutdown = ""
        self.experiment: dict[str, Any] | None = None
        self.trials: list[dict[str, Any]] = []

    def step(self, name: str, phase: str = "Succeeded", message: str = "", attempts: int = 1, **outputs: str) -> Run:
        """A step with its pods: all but the last attempt were lost."""
        parameters = [{"name": key, "value": value} for key, value in outputs.items()]
        for attempt in range(attempts):
            last = attempt == attempts - 1
            node = {"displayName": f"{name}({attempt})", "type": "Pod", "phase": phase if last else "Error"}
            node |= {"startedAt": f"2026-06-01T10:{attempt:02}:00Z", "finishedAt": f"2026-06-01T10:{attempt:02}:30Z"}
            node["message"] = message if last else "pod deleted"
            if last and parameters:
                node["outputs"] = {"parameters": parameters, "exitCode": "0"}
            self.nodes[f"{name}-{attempt}"] = node
        whole = {"displayName": name, "type": "Retry", "phase": phase, "message": message and "No more retries left"}
        if parameters:
            whole["outputs"] = {"parameters": parameters}
        self.nodes[name] = whole
        return self

    def planned(self) -> Run:
        """The step plan, that said go."""
        return self.step("plan", verdict="go", sentence="at most 6 trials, 2 at once")

    def searched(self, *trials: dict[str, Any], ended: str = "Succeeded", message: str = "") -> Run:
        """An Experiment with these trials; ``ended`` is its last condition."""
        conditions = [{"type": "Created", "status": "True"}, {"type": "Running", "status": str(ended == "Running")}]
        if ended != "Running":
            conditions.append({"type": ended, "status": "True", "message": message})
        self.experiment = {
            "metadata": {"name": self.name},
            "spec": {"objective": {"type": "maximize", "objectiveMetricName": "score"}},
            "status": {"conditions": conditions},
        }
        self.trials = list(trials)
        return self

    def put(self, kube: Kube) -> Run:
        """Into the cluster."""
        spec: dict[str, Any] = {"arguments": {"parameters": [{"name": "sha", "value": self.sha}]}}
        if self.shutdown:
            spec["shutdown"] = self.shutdown
        status = {"phase": self.phase, "message": self.message, "nodes": self.nodes}
        kube.put("workflows", WORKFLOWS, {"metadata": {"name": self.name}, "spec": spec, "status": status})
        if self.experiment:
            kube.put("experiments", TRIALS, self.experiment)
        for trial in self.trials:
            trial["metadata"]["labels"] = {"katib.kubeflow.org/experiment": self.name}
            kube.put("trials", TRIALS, trial)
        return self


def trial(name: str, value: float | None, state: str = "Succeeded", **parameters: str) -> dict[str, Any]:
    """A Trial of two minutes."""
    metrics = [] if value is None else [{"name": "score", "min": str(value), "max": str(value), "latest": str(value)}]
    return {
        "kind": "Trial",
        "metadata": {"name": name},
        "spec": {
            "objective": {"type": "maximize", "objectiveMetricName": "score"},
            "parameterAssignments": [{"name": key, "value": text} for key, text in parameters.items()],
        },
        "status": {
            "conditions": [{"type": "Created", "status": "True"}, {"type": state, "status": "True"}],
            "observation": {"metrics": metrics},
            "startTime": "2026-06-01T10:00:00Z",
            "completionTime": "2026-06-01T10:02:00Z",
        },
    }


def good(sha: str) -> Run:
    """A run that came to the hand-over."""
    run = Run(sha).planned().step("search", attempts=2).step("collect").step("train")
    run.step("register", version="numbers/7").step("gate", verdict="passed", decision=json.dumps(DECISION))
    run.step("hand-over").searched(trial("tune-b", 0.8, x="0.5"), trial("tune-a", 0.6, x="0.1"))
    return run
