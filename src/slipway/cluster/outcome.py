"""How a run of the workflow ended, and why: read from the Workflow, the Experiment and its Trials, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.cluster.plan import GO, NOTHING, SUPERSEDED
from slipway.cluster.sealed import REFUSED, VERDICT
from slipway.search.katib import FAILED, KILLED, SUCCEEDED, UNAVAILABLE
from slipway.search.observation import objective_value

PLAN, SEARCH, COLLECT, TRAIN, REGISTER, GATE, HAND_OVER = STEPS = (
    "plan", "search", "collect", "train", "register", "gate", "hand-over",
)  # fmt: skip
ANSWER = "answer"
RUNNING, PROPOSED, STOPPED, BROKEN = "running", "proposed", "stopped", "failed"
"""Beside plan's ``superseded`` and ``nothing`` and the gate's ``refused``: how a run can stand."""
_DEADLINES = ("longer than the specified deadline", "exceeded its deadline", "DeadlineExceeded", "Max duration")
_SENTENCE = re.compile(r"slipway [a-z-]+: (?P<said>.+)")
_DENIED = re.compile(r"denied the request: (?P<said>.+)", re.DOTALL)
_PREFIX = re.compile(r"^(?:\w+: )?(?:Error|OOMKilled) \(exit code \d+\):? ?")


@dataclass(frozen=True)
class Step:
    """One step: its phase as Argo writes it, its pods' minutes, what it left and what it said last."""

    name: str
    phase: str
    message: str
    minutes: float
    outputs: dict[str, str]
    attempts: int

    @property
    def failed(self) -> bool:
        """Whether it ended, and badly."""
        return self.phase in ("Failed", "Error")


@dataclass(frozen=True)
class Trial:
    """One trial. ``value`` is None where it reported none."""

    name: str
    phase: str
    value: float | None
    parameters: dict[str, str]
    minutes: float


@dataclass(frozen=True)
class Outcome:
    """A run: ``state`` as above, ``reason`` in a sentence, and what it made."""

    name: str
    sha: str
    state: str
    reason: str
    failing: str
    steps: dict[str, Step]
    trials: list[Trial]
    metric: str
    maximize: bool
    decision: dict[str, Any] | None
    version: str
    search_ended: bool

    @property
    def best(self) -> Trial | None:
        """The best trial that succeeded."""
        return next((trial for trial in self.trials if trial.phase == SUCCEEDED and trial.value is not None), None)

    @property
    def pod_minutes(self) -> float:
        """What all pods took, trials and steps."""
        return sum(step.minutes for step in self.steps.values()) + sum(trial.minutes for trial in self.trials)


def outcome(
    workflow: dict[str, Any],
    experiment: dict[str, Any] | None,
    trials: list[dict[str, Any]],
    ended: str = "",
) -> Outcome:
    """Read a run.

    Args:
        workflow: the Workflow.
        experiment: the Experiment of the same name, None where there is none.
        trials: its Trials.
        ended: the status that the exit handler was told: while it runs the Workflow still counts as running.
    """
    steps = _steps(workflow)
    decision = _decision(steps.get(GATE))
    state, failing, reason = _state(workflow, steps, experiment, ended, decision)
    objective = ((experiment or {}).get("spec") or {}).get("objective") or {}
    maximize = objective.get("type", "maximize") == "maximize"
    parameters = {p["name"]: p.get("value", "") for p in workflow["spec"].get("arguments", {}).get("parameters", [])}
    return Outcome(
        name=workflow["metadata"]["name"],
        sha=parameters.get("sha", ""),
        state=state,
        reason=reason,
        failing=failing,
        steps=steps,
        trials=_trials(trials, maximize),
        metric=objective.get("objectiveMetricName", ""),
        maximize=maximize,
        decision=decision,
        version=steps[REGISTER].outputs.get("version", "") if REGISTER in steps else "",
        search_ended=experiment is None or any(_holds(experiment, it) for it in (SUCCEEDED, FAILED)),
    )


def sentence(message: str) -> str:
    """What matters of a node's message: a verb's own sentence, a webhook's reason, or all of it but its wrapping."""
    if found := _DENIED.search(message):
        return _short(found["said"].partition("\n")[0])
    if said := [found["said"] for found in _SENTENCE.finditer(message)]:
        return _short(said[-1])
    return _short(_PREFIX.sub("", message))


def _state(
    workflow: dict[str, Any],
    steps: dict[str, Step],
    experiment: dict[str, Any] | None,
    ended: str,
    decision: dict[str, Any] | None,
) -> tuple[str, str, str]:
    status = workflow.get("status") or {}
    phase = ended or status.get("phase") or "Pending"
    planned = steps[PLAN].outputs if PLAN in steps else {}
    verdict, said = planned.get("verdict", ""), planned.get("sentence", "")
    if phase in ("Pending", "Running"):
        return RUNNING, "", said or status.get("message", "")
    if verdict in (SUPERSEDED, NOTHING):
        return verdict, "", said
    if workflow["spec"].get("shutdown") in ("Stop", "Terminate"):
        return STOPPED, "", "somebody stopped the workflow"
    failing = next((steps[name] for name in STEPS if name in steps and steps[name].failed), None)
    if failing:
        return BROKEN, failing.name, _why(failing, experiment)
    if phase != "Succeeded":
        return BROKEN, "", sentence(status.get("message", "")) or "the workflow ended without a word"
    if (decision is not None and not decision["passed"]) or (GATE in steps and steps[GATE].outputs[VERDICT] == REFUSED):
        failed = [check["reason"] for check in (decision or {"checks": []})["checks"] if not check["passed"]]
        return REFUSED, GATE, "; ".join(failed)
    return PROPOSED, "", said if verdict == GO else ""


def _why(step: Step, experiment: dict[str, Any] | None) -> str:
    said = sentence(step.message)
    if any(words in step.message for words in _DEADLINES):
        return "it did not end before its deadline"
    if step.name == SEARCH and experiment and _holds(experiment, FAILED):
        condition = next(it for it in experiment["status"]["conditions"] if it["type"] == FAILED)
        return _short(condition.get("message") or said)
    return said or "it ended without a word"


def _steps(workflow: dict[str, Any]) -> dict[str, Step]:
    nodes = (workflow.get("status") or {}).get("nodes") or {}
    found: dict[str, Step] = {}
    for name in (*STEPS, ANSWER):
        own = [node for node in nodes.values() if node["displayName"].partition("(")[0] == name]
        pods = sorted((node for node in own if node["type"] == "Pod"), key=lambda node: node.get("startedAt") or "")
        whole = next((node for node in own if node["type"] == "Retry"), pods[-1] if pods else None)
        if whole is None:
            continue
        last = pods[-1] if pods else whole
        outputs = (whole.get("outputs") or last.get("outputs") or {}).get("parameters") or []
        found[name] = Step(
            name=name,
            phase=whole.get("phase", ""),
            message=last.get("message") or whole.get("message") or "",
            minutes=sum(_minutes(node.get("startedAt"), node.get("finishedAt")) for node in pods),
            outputs={it["name"]: it.get("value") or "" for it in outputs},
            attempts=len(pods),
        )
    return found


def _decision(gate: Step | None) -> dict[str, Any] | None:
    try:
        decision = json.loads(gate.outputs["decision"]) if gate else None
    except (KeyError, json.JSONDecodeError):
        return None
    return decision if isinstance(decision, dict) and {"passed", "checks"} <= set(decision) else None


def _trials(trials: list[dict[str, Any]], maximize: bool) -> list[Trial]:
    """The trials, best first, and those without a value last."""
    found = []
    for trial in trials:
        status = trial.get("status") or {}
        found.append(
            Trial(
                name=trial["metadata"]["name"],
                phase=next((it for it in (SUCCEEDED, UNAVAILABLE, FAILED, KILLED) if _holds(trial, it)), "Running"),
                value=objective_value(
                    trial["spec"]["objective"], (status.get("observation") or {}).get("metrics") or []
                ),
                parameters={it["name"]: it["value"] for it in trial["spec"].get("parameterAssignments") or []},
                minutes=_minutes(status.get("startTime"), status.get("completionTime")),
            )
        )
    rank = {SUCCEEDED: 0}
    return sorted(
        found,
        key=lambda it: (
            rank.get(it.phase, 1),
            0.0 if it.value is None else (-it.value if maximize else it.value),
            it.name,
        ),
    )


def _holds(katib: dict[str, Any], condition: str) -> bool:
    conditions = (katib.get("status") or {}).get("conditions") or []
    return any(it.get("type") == condition and it.get("status") == "True" for it in conditions)


def _minutes(start: str | None, end: str | None) -> float:
    if not start or not end:
        return 0.0
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 60)


def _short(text: str, most: int = 600) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
