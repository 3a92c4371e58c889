"""An outcome in words: a document for the commit, a few lines for Slack and for the status."""

from __future__ import annotations

from slipway.cluster.outcome import (
    ANSWER,
    BROKEN,
    PROPOSED,
    RUNNING,
    STEPS,
    STOPPED,
    Outcome,
    Trial,
)
from slipway.cluster.plan import NOTHING, SUPERSEDED
from slipway.cluster.sealed import REFUSED
from slipway.names import Namespaces
from slipway.report.document import Block, Bullets, Code, Document, Line, Paragraph, Section, Strong, Table

GITHUB_STATES = {
    RUNNING: "pending",
    PROPOSED: "success",
    SUPERSEDED: "success",
    NOTHING: "success",
    REFUSED: "failure",
    STOPPED: "error",
    BROKEN: "error",
}
"""What each state is as the state of a commit's status."""
_TONES = {PROPOSED: "good", REFUSED: "bad", BROKEN: "bad", STOPPED: "bad"}
_SHOWN = 50
"""Trials in the table; the best are the first."""


def headline(run: Outcome) -> str:
    """How it stands, in a few words."""
    return {
        RUNNING: "searching",
        PROPOSED: f"{run.version or 'a version'} passed the gate and is proposed",
        REFUSED: f"the gate refused {run.version or 'the challenger'}",
        SUPERSEDED: "not searched, a newer commit is",
        NOTHING: "nothing to search",
        STOPPED: "stopped",
        BROKEN: f"{run.failing or 'the workflow'} failed",
    }[run.state]


def status_line(run: Outcome) -> str:
    """Headline and reason for a commit's status."""
    best = f"best {run.metric} {run.best.value:.6g}" if run.best else ""
    why = best if run.state in (PROPOSED,) and best else run.reason
    return f"{headline(run)}: {why}" if why else headline(run)


def facts(run: Outcome) -> dict[str, str]:
    """The figures in one or two words each."""
    found: dict[str, str] = {}
    if run.best:
        found["best"] = f"{run.best.name}, {run.metric} {run.best.value:.6g}"
    if run.trials:
        good = sum(trial.phase == "Succeeded" for trial in run.trials)
        found["trials"] = f"{good} of {len(run.trials)} succeeded"
    if run.version:
        found["version"] = run.version
    if run.pod_minutes:
        found["cost"] = f"{run.pod_minutes:.1f} pod-minutes"
    return found


def checks(run: Outcome) -> list[tuple[bool, str, str]]:
    """The gate's checks: passed, name, reason."""
    decision = run.decision or {"checks": []}
    return [(bool(it["passed"]), str(it["name"]), str(it["reason"])) for it in decision["checks"]]


def document(run: Outcome, namespaces: Namespaces, hints: list[str], warnings: list[str]) -> Document:
    """The answer on the commit.

    Args:
        run: what happened.
        namespaces: where to look further.
        hints: what the cluster and the trials themselves said about it.
        warnings: what went wrong with the answer itself.
    """
    sections = [*_gate(run), *_trials(run), *_hints(hints), _cost(run), _further(run, namespaces)]
    verdict: list[Line] = [(Strong(headline(run)), ".")]
    if run.reason:
        verdict.append(run.reason if run.state != RUNNING else f"It may take {run.reason}.")
    return Document(
        title=f"Search {run.name}",
        verdict=verdict,
        sections=[section for section in sections if section.blocks],
        origin=("The search of commit ", Code(run.sha), "."),
        tone=_TONES.get(run.state, "neutral"),
        warnings=warnings,
    )


def _gate(run: Outcome) -> list[Section]:
    if not run.decision:
        return []
    against = run.decision.get("champion")
    rows: list[list[Line]] = [["✓" if passed else "✗", name, reason] for passed, name, reason in checks(run)]
    said = f"{run.version} against {against}" if against else f"{run.version}, with no champion to beat"
    blocks: list[Block] = [Paragraph(said), Table(["", "check", "why"], rows)]
    scores = run.decision.get("scores") or {}
    new, old = scores.get("challenger") or {}, scores.get("champion") or {}
    if new:
        table: list[list[Line]] = [
            [metric, f"{value:.4f}", f"{old[metric]:.4f}" if metric in old else ""] for metric, value in new.items()
        ]
        blocks.append(Table(["metric", "challenger", "champion"], table, frozenset({"challenger", "champion"})))
    return [Section("The gate", blocks, weight=9)]


def _trials(run: Outcome) -> list[Section]:
    if not run.trials:
        return []
    names = list(dict.fromkeys(name for trial in run.trials for name in trial.parameters))
    rows = [_row(trial, names) for trial in run.trials[:_SHOWN]]
    head = ["trial", "phase", run.metric or "value", *names, "minutes"]
    blocks: list[Block] = [Table(head, rows, frozenset({run.metric or "value", *names, "minutes"}))]
    if len(run.trials) > _SHOWN:
        blocks.append(Paragraph(f"And {len(run.trials) - _SHOWN} more."))
    return [Section("Trials", blocks, weight=5, summary=facts(run)["trials"])]


def _row(trial: Trial, names: list[str]) -> list[Line]:
    value = "" if trial.value is None else f"{trial.value:.6g}"
    parameters: list[Line] = [Code(trial.parameters[name]) if name in trial.parameters else "" for name in names]
    return [Code(trial.name), trial.phase, value, *parameters, f"{trial.minutes:.1f}"]


def _hints(hints: list[str]) -> list[Section]:
    return [Section("What was said about it", [Bullets([Code(hint) for hint in hints])], weight=8)] if hints else []


def _cost(run: Outcome) -> Section:
    steps = [run.steps[name] for name in STEPS if name in run.steps and run.steps[name].minutes]
    if not steps and not run.trials:
        return Section("Cost", [], weight=1)
    rows: list[list[Line]] = [
        [step.name, str(step.attempts), f"{step.minutes:.1f}"] for step in steps if step.name != ANSWER
    ]
    if run.trials:
        rows.append(["trials", str(len(run.trials)), f"{sum(trial.minutes for trial in run.trials):.1f}"])
    table = Table(["", "pods", "minutes"], rows, frozenset({"pods", "minutes"}))
    return Section("Cost", [table], weight=1, summary=f"{run.pod_minutes:.1f} pod-minutes")


def _further(run: Outcome, namespaces: Namespaces) -> Section:
    commands: list[Line] = [Code(f"kubectl --namespace {namespaces.workflows} get workflow {run.name} -o yaml")]
    if run.trials:
        selector = f"katib.kubeflow.org/experiment={run.name}"
        commands.append(Code(f"kubectl --namespace {namespaces.trials} get trials -l {selector}"))
    if run.version:
        commands.append(Code(f"python -m slipway trace {run.version}"))
    return Section("Look further", [Bullets(commands)], weight=2)
