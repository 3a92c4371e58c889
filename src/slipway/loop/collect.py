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
import math
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.files import read_json, write_json
from slipway.loop.tune import OUT, SUCCEEDED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway collect`."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--trials", type=Path, default=OUT / "trials.json", metavar="FILE", help="default: %(default)s")
    source.add_argument("--cluster", metavar="EXPERIMENT", help="read an experiment's trials from the cluster")
    parser.add_argument("--namespace", default="slipway-trials", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT / "top.json", metavar="FILE", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Collect and write."""
    if args.top < 1:
        raise UserError(f"--top is {args.top}, expected at least 1.")
    if args.cluster:
        trials, source = trials_of_cluster(args.cluster, args.namespace), f"experiment {args.cluster}"
    else:
        trials, source = read_json(args.trials, "python -m slipway tune")["items"], str(args.trials)
    best = top(trials, args.top, source)
    write_json(args.out, {"experiment": _experiment(trials[0]), "trials": best})
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
    scored: list[dict[str, Any]] = []
    for trial in trials:
        if not any(c["type"] == SUCCEEDED and c["status"] == "True" for c in trial["status"].get("conditions") or []):
            continue
        objective = trial["spec"]["objective"]
        if (value := _value(trial, objective)) is None:
            continue
        scored.append(
            {
                "name": trial["metadata"]["name"],
                "parameters": {a["name"]: a["value"] for a in trial["spec"]["parameterAssignments"]},
                "metric": objective["objectiveMetricName"],
                "value": value,
                "maximize": objective["type"] == "maximize",
            }
        )
    if not scored:
        raise UserError(
            f"{source} has {len(trials)} trials and none succeeded with a finite metric: look at their logs."
        )
    scored.sort(key=lambda trial: (-trial["value"] if trial.pop("maximize") else trial["value"], trial["name"]))
    seen: list[dict[str, str]] = []
    best = []
    for trial in scored:
        if trial["parameters"] not in seen:
            seen.append(trial["parameters"])
            best.append(trial)
    return best[:count]


def _value(trial: dict[str, Any], objective: dict[str, Any]) -> float | None:
    strategies = {s["name"]: s["value"] for s in objective.get("metricStrategies") or []}
    name = objective["objectiveMetricName"]
    field = strategies.get(name) or ("max" if objective["type"] == "maximize" else "min")
    for metric in (trial["status"].get("observation") or {}).get("metrics") or []:
        if metric["name"] == name:
            try:
                value = float(metric[field])
            except ValueError:  # Katib writes "unavailable" and empty values
                return None
            return value if math.isfinite(value) else None
    return None


def _experiment(trial: dict[str, Any]) -> str:
    name: str = (trial["metadata"].get("labels") or {}).get("katib.kubeflow.org/experiment", "")
    return name


def trials_of_cluster(experiment: str, namespace: str) -> list[dict[str, Any]]:
    """The trials of an experiment, from the cluster's API.

    Raises:
        UserError: there is no cluster to ask, or it has no such trials.
    """
    from kubernetes import client, config
    from urllib3.exceptions import HTTPError

    try:
        config.load_config()
        found = client.CustomObjectsApi().list_namespaced_custom_object(
            "kubeflow.org", "v1beta1", namespace, "trials",
            label_selector=f"katib.kubeflow.org/experiment={experiment}", _request_timeout=30,
        )  # fmt: skip
    except config.ConfigException as error:
        raise UserError(f"there is no cluster to ask ({error}): log in with kubectl, or run this in a pod.") from None
    except client.ApiException as error:
        raise UserError(f"the cluster refused to list trials in {namespace}: {error.status} {error.reason}.") from None
    except HTTPError as error:
        raise UserError(f"the cluster does not answer ({error}).") from None
    assert isinstance(found, dict)
    trials: list[dict[str, Any]] = found["items"]
    if not trials:
        raise UserError(f"namespace {namespace} has no trials of an experiment named {experiment}.")
    return trials
