"""Say on the commit and on Slack how a search stands, or how it ended and why.

  answer --workflow tune-0123456789ab
                          as it is now; at any time, and again
  answer --workflow tune-0123456789ab --ended Failed
                          in the exit handler, which knows the status before the Workflow says so

Reads the Workflow, the Experiment and its Trials from the cluster. Writes the commit's status slipway/tune, one comment
on the pull request that the commit merged (on the commit itself after a direct push), and one message on Slack with a
reply in its thread; what is there already is brought up to date. One of the two places that is away does not keep the
other from its answer, which says so. A search that goes on although its workflow has ended is ended.

GITHUB_TOKEN and SLACK_TOKEN come from the secrets github and slack. Exit code 2 or 75 when a place got no answer.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from slipway.addresses import masked
from slipway.away import UnavailableError
from slipway.cluster import slack, words
from slipway.cluster.names import CONTEXT, GITHUB_WRITE, SLACK, github
from slipway.cluster.outcome import BROKEN, RUNNING, SEARCH, STOPPED, Outcome, outcome
from slipway.errors import UserError
from slipway.github.commits import say, set_status
from slipway.kubeapi import EXPERIMENTS, TRIALS, WORKFLOWS, Cluster
from slipway.names import Names, load_names
from slipway.report.markdown import to_markdown
from slipway.search.katib import EXPERIMENT_LABEL, FAILED, UNAVAILABLE

COLLECTOR = "metrics-logger-and-collector"
"""Katib's container beside a trial's: it alone prints what the trial printed."""
TRIAL_LABEL = "katib.kubeflow.org/trial"
_HINTS = 5
_HARMLESS = "FailedToRetrieveImagePullSecret"
"""Where images are public the secret registry is not there, and every pod warns of it."""
_SENTENCE = re.compile(r"slipway [a-z-]+: .+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway answer`."""
    parser.add_argument("--workflow", required=True, metavar="NAME", help="tune-<first 12 of the commit>")
    parser.add_argument("--ended", default="", metavar="STATUS", help="Succeeded, Failed or Error")


def run(args: argparse.Namespace) -> None:
    """Read, say, and end what nobody waits for."""
    names, cluster = load_names(), Cluster()
    ended = read(cluster, names, args.workflow, args.ended)
    said = hints(cluster, names, ended) if ended.state in (BROKEN, STOPPED) else []
    faults = tell(names, ended, said)
    if ended.state != RUNNING and not ended.search_ended:
        cluster.delete(EXPERIMENTS, names.namespaces.trials, ended.name)
        print(f"experiment {ended.name} was still searching, and is deleted")
    print(f"{ended.name}: {words.status_line(ended)}")
    if faults:
        passing = any(isinstance(fault, UnavailableError) for fault in faults)
        raise (UnavailableError if passing else UserError)(" ".join(map(str, faults)))


def read(cluster: Cluster, names: Names, name: str, ended: str = "") -> Outcome:
    """What happened to a workflow.

    Raises:
        UserError: there is no such Workflow.
    """
    workflow = cluster.find(WORKFLOWS, names.namespaces.workflows, name)
    if workflow is None:
        raise UserError(f"namespace {names.namespaces.workflows} has no Workflow named {name}.")
    experiment = cluster.find(EXPERIMENTS, names.namespaces.trials, name)
    trials = cluster.select(TRIALS, names.namespaces.trials, f"{EXPERIMENT_LABEL}={name}") if experiment else []
    return outcome(workflow, experiment, trials, ended)


def hints(cluster: Cluster, names: Names, ended: Outcome) -> list[str]:
    """What trials printed last, and what the cluster warns of: why an image is not pulled, or a pod not started."""
    found: list[str] = []
    places = [names.namespaces.workflows]
    if ended.failing in ("", SEARCH):
        places.append(names.namespaces.trials)
        for trial in ended.trials:
            if trial.phase in (FAILED, UNAVAILABLE):
                for pod in cluster.pods(names.namespaces.trials, f"{TRIAL_LABEL}={trial.name}"):
                    lines = cluster.log(names.namespaces.trials, pod.metadata.name, COLLECTOR, 20).splitlines()
                    said = [it[0] for line in lines if (it := _SENTENCE.search(line))] or lines[
                        -1:
                    ]  # without its prefix
                    found += [f"{trial.name}: {said[-1].strip()}"] if said else []
            if len(found) >= _HINTS:
                break
    for place in places:
        found += [it for it in cluster.warnings(place, ended.name) if not it.startswith(_HARMLESS)]
    return [masked(hint)[:500] for hint in dict.fromkeys(found)][:_HINTS]


def tell(names: Names, ended: Outcome, said: list[str]) -> list[UserError]:
    """Say it in both places; returns what went wrong with either."""
    address = ""

    def on_commit(warnings: list[str]) -> None:
        nonlocal address
        hub = github(names, GITHUB_WRITE)
        page = to_markdown(words.document(ended, names.namespaces, said, warnings))
        if ended.state != RUNNING:  # a comment notifies; the status is enough while it runs
            address = say(hub, ended.sha, page, f"<!-- {CONTEXT} {ended.name} -->")
        link = address or f"{hub.server}/{hub.repository}/commit/{ended.sha}"
        set_status(hub, ended.sha, CONTEXT, words.GITHUB_STATES[ended.state], words.status_line(ended), link)
        address = link

    def on_slack(warnings: list[str]) -> None:
        place = slack.Slack(SLACK.value(names.namespaces.workflows), names.slack.channel)
        links = {"the answer on GitHub": address} if address else {}
        title = f"{names.model}, {ended.sha[:7]}: {words.headline(ended)}"
        reasons = [ended.reason] if ended.reason else []
        root = slack.message(title, reasons, words.facts(ended), links, warnings)
        details = [f"{'✓' if passed else '✗'} {name}: {why}" for passed, name, why in words.checks(ended)] + said
        reply = slack.message(title, details or reasons, {}, links) if ended.state != RUNNING else []
        place.tell(ended.name, root, reply, title)

    first = _attempt(on_commit, [])
    second = _attempt(on_slack, [f"GitHub got no answer: {first}"] if first else [])
    if second and not first:
        _attempt(on_commit, [f"Slack got no answer: {second}"])
    return [fault for fault in (first, second) if fault]


def _attempt(place: Callable[[list[str]], None], warnings: list[str]) -> UserError | None:
    try:
        place(warnings)
    except UserError as error:
        return error
    return None
