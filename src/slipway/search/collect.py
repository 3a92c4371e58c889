"""Take the best trials of a search.

  collect --top 3         the three best of build/tune/trials.json
  collect --trials FILE   of another list of Katib Trials, as `kubectl get trials -o json` writes it
  collect --cluster tune-0123456789ab --namespace slipway-trials
                          of an experiment in the cluster this machine, or this pod, is logged in to

Writes build/tune/top.json, which `slipway train --final --trials` makes an ensemble of: one member for each trial.
Two trials with the same parameters count once. Exit code 2 when no trial succeeded.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.files import read_json, write_json
from slipway.kubeapi import EXPERIMENTS, Cluster, json_sha256
from slipway.kubeapi import TRIALS as TRIAL_KIND
from slipway.names import load_names
from slipway.search.katib import EXPERIMENT_LABEL, OUT, SUCCEEDED, TRIALS
from slipway.search.observation import objective_value

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway collect`."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--trials", type=Path, default=OUT / TRIALS, metavar="FILE", help="default: %(default)s")
    source.add_argument("--cluster", metavar="EXPERIMENT", help="read an experiment's trials from the cluster")
    parser.add_argument("--namespace", metavar="NAME", help="default: namespaces.trials of slipway.yaml")
    parser.add_argument("--manifest", metavar="SHA256", help="refuse an experiment that another manifest made")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT / "top.json", metavar="FILE", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Collect and write."""
    if args.top < 1:
        raise UserError(f"--top is {args.top}, expected at least 1.")
    if args.cluster:
        namespace = args.namespace or load_names().namespaces.trials
        trials, source = trials_of_cluster(args.cluster, namespace, args.manifest), f"experiment {args.cluster}"
    else:
        trials, source = trials_of_file(args.trials), str(args.trials)
    best = top(trials, args.top, source)
    write_json(args.out, {"experiment": _experiment(trials, source), "trials": best})
    for trial in best:
        print(f"{trial['name']}  {trial['metric']}={trial['value']:.6g}")
    if len(best) < args.top:
        print(f"only {len(best)} of the {args.top} asked for succeeded with parameters of their own")
    print(args.out)


def top(trials: list[dict[str, Any]], count: int, source: str) -> list[dict[str, Any]]:
    """The ``count`` best succeeded trials, best first, each with its name, parameters, metric and value.

    Raises:
        UserError: none succeeded with a finite objective.
    """
    scored: list[tuple[float, dict[str, Any]]] = []
    for trial in trials:
        objective, status = trial["spec"]["objective"], trial.get("status") or {}
        value = objective_value(objective, (status.get("observation") or {}).get("metrics") or [])
        if not _succeeded(status) or value is None:
            continue
        found = {
            "name": trial["metadata"]["name"],
            "parameters": {a["name"]: a["value"] for a in trial["spec"].get("parameterAssignments") or []},
            "metric": objective["objectiveMetricName"],
            "value": value,
        }
        scored.append((-value if objective["type"] == "maximize" else value, found))
    if not scored:
        raise UserError(
            f"{source} has {len(trials)} trials and none succeeded with a finite metric: look at their logs."
        )
    scored.sort(key=lambda pair: (pair[0], pair[1]["name"]))
    best: list[dict[str, Any]] = []
    for _, trial in scored:
        if not any(trial["parameters"] == better["parameters"] for better in best):
            best.append(trial)
    return best[:count]


def _succeeded(status: dict[str, Any]) -> bool:
    return any(c.get("type") == SUCCEEDED and c.get("status") == "True" for c in status.get("conditions") or [])


def _experiment(trials: list[dict[str, Any]], source: str) -> str:
    """The one experiment that all the trials are of, "" where they do not say.

    Raises:
        UserError: they are of several, whose metrics cannot be compared.
    """
    names = {(trial["metadata"].get("labels") or {}).get(EXPERIMENT_LABEL, "") for trial in trials}
    if len(names) > 1:
        raise UserError(
            f"{source} has trials of {' and '.join(sorted(names))}: take one experiment's, "
            f"with `kubectl get trials -l {EXPERIMENT_LABEL}=<name> -o json`."
        )
    name: str = names.pop()
    return name


def trials_of_file(path: Path) -> list[dict[str, Any]]:
    """The trials in a list as `kubectl get trials -o json` writes it.

    Raises:
        UserError: the file is missing, or is no such list.
    """
    document = read_json(path, "python -m slipway tune")
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list) or any(not isinstance(t, dict) or t.get("kind") != "Trial" for t in items):
        raise UserError(
            f"{path} is no list of Trials: give what `python -m slipway tune` or `kubectl get trials -o json` wrote."
        )
    return items


def trials_of_cluster(experiment: str, namespace: str, manifest: str | None = None) -> list[dict[str, Any]]:
    """The trials of an experiment, from the cluster's API.

    Args:
        experiment: its name.
        namespace: where it is.
        manifest: the SHA-256 of the manifest that it must have been applied from, as `slipway plan` noted it.

    Raises:
        UserError: there is no cluster to ask, it has no such trials, or the experiment is another.
    """
    cluster = Cluster()
    if manifest:
        applied = ((cluster.find(EXPERIMENTS, namespace, experiment) or {}).get("metadata") or {}).get("annotations")
        if applied_sha256(applied or {}) != manifest:
            raise UserError(
                f"experiment {experiment} in {namespace} is not the one that was planned: somebody made or changed "
                f"it by another hand. Delete it, and start the workflow again."
            )
    trials = cluster.select(TRIAL_KIND, namespace, f"{EXPERIMENT_LABEL}={experiment}")
    if not trials:
        raise UserError(f"namespace {namespace} has no trials of an experiment named {experiment}.")
    return trials


def applied_sha256(annotations: Mapping[str, str]) -> str:
    """The :func:`slipway.kubeapi.json_sha256` of what `kubectl apply` was given, "" where nobody applied it."""
    try:
        return json_sha256(json.loads(annotations[_APPLIED]))
    except (KeyError, json.JSONDecodeError):
        return ""
