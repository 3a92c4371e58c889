"""Start the search of a merge that no webhook told of, and answer for a run that ended without a word.

  catch-up                looks at main; every quarter of an hour a CronWorkflow does
  catch-up --dry-run      only says what it would do

Goes back from main's head to the newest commit that changed what is searched. Where that, or a commit after it, has a
Workflow, an Experiment or an answer, it is taken care of. Otherwise its Workflow is made, under the name that the
webhook would have given it: whichever comes second finds it there.
"""

from __future__ import annotations

import argparse
from typing import Any

from slipway.cluster.answer import read
from slipway.cluster.names import CONTEXT, GITHUB_READ, github, run_name
from slipway.cluster.outcome import ANSWER
from slipway.github.commits import is_searched, latest_status, newest_first
from slipway.github.github import GitHub
from slipway.kubeapi import EXPERIMENTS, WORKFLOWS, Cluster
from slipway.names import Names, load_names

_ENDED = ("Succeeded", "Failed", "Error")
_STARTED_BY = "slipway.dev/started-by"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway catch-up`."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(args: argparse.Namespace) -> None:
    """Look, and do what is missing."""
    names, cluster = load_names(), Cluster()
    said, missing = look(names, github(names, GITHUB_READ), cluster)
    print(said)
    if missing and not args.dry_run:
        made = cluster.create(WORKFLOWS, names.namespaces.workflows, missing)
        name = missing["metadata"]["name"]
        print(f"{name} is started" if made else f"{name} was started by somebody else in the meantime")


def look(names: Names, hub: GitHub, cluster: Cluster) -> tuple[str, dict[str, Any] | None]:
    """What is found, in a sentence, and the Workflow that is missing, None where none is."""
    place = names.namespaces
    for sha, files in newest_first(hub):
        name = run_name(sha)
        workflow = cluster.find(WORKFLOWS, place.workflows, name)
        if workflow:
            phase = (workflow.get("status") or {}).get("phase", "Pending")
            if phase not in _ENDED or _answered(cluster, names, name):
                return f"{sha[:12]} is taken care of: {name} is {phase}", None
            again = f"answer-{sha[:12]}"
            if cluster.find(WORKFLOWS, place.workflows, again):
                return f"{name} ended as {phase} without an answer, and {again} was made for it: look at that one", None
            return f"{name} ended as {phase} without an answer", _workflow(
                again, "tell", {"workflow": name, "ended": ""}, entrypoint=ANSWER
            )
        if is_searched(files):
            if cluster.find(EXPERIMENTS, place.trials, name):
                return f"{sha[:12]} was searched: there is the Experiment {name}", None
            status = latest_status(hub, sha, CONTEXT)
            if status and status["state"] != "pending":
                return f"{sha[:12]} has its answer: {status['description']}", None
            return f"{sha[:12]} changed what is searched, and no Workflow ran it", _workflow(name, "tune", {"sha": sha})
    return "nothing of what is searched has changed lately", None


def _answered(cluster: Cluster, names: Names, name: str) -> bool:
    steps = read(cluster, names, name).steps
    return ANSWER in steps and steps[ANSWER].phase == "Succeeded"


def _workflow(name: str, template: str, parameters: dict[str, str], entrypoint: str = "") -> dict[str, Any]:
    """A Workflow from one of our templates, with nothing on top that `templateReferencing: Strict` refuses."""
    spec: dict[str, Any] = {
        "workflowTemplateRef": {"name": template},
        "arguments": {"parameters": [{"name": key, "value": value} for key, value in parameters.items()]},
    }
    if entrypoint:
        spec["entrypoint"] = entrypoint
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": {_STARTED_BY: "catch-up"}},
        "spec": spec,
    }
