"""Whether a commit of main is to be searched, and with what.

  plan --sha 0123456789abcdef0123456789abcdef01234567

Reads the commit's own files from GitHub. Leaves in build/plan what the next steps take: `verdict` (go, superseded or
nothing), `sentence`, `experiment.json` (the Experiment as it is applied, named tune-<first 12 of the commit>) with its
`sha256`, `image`, `mlflow` and `top`; all but the first two are empty where there is nothing to do. The same commit
makes the same bytes, whenever it is asked.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.cluster.names import COMMIT_LABEL, GITHUB_READ, PLACEHOLDER, github, run_name
from slipway.errors import UserError
from slipway.files import read_yaml, write_json, write_text
from slipway.github.commits import superseded_by, unpack
from slipway.kubeapi import json_sha256
from slipway.names import NAMES_FILE, load_names
from slipway.params import PARAMS_FILE, load_params
from slipway.release.pin import EXPERIMENT, check, pinned_image
from slipway.report.search_plan import search_plan
from slipway.search.experiment import read_experiment

OUT = Path("build/plan")
GO, SUPERSEDED, NOTHING = "go", "superseded", "nothing"


@dataclass(frozen=True)
class Plan:
    """What is to be done with a commit. ``sentence`` says why, or what it will spend; the rest is empty unless go."""

    verdict: str
    sentence: str
    experiment: dict[str, Any] = field(default_factory=dict)
    image: str = ""
    mlflow: str = ""
    top: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway plan`."""
    parser.add_argument("--sha", required=True, help="the commit, whole")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Look, and leave the plan."""
    name, names = run_name(args.sha), load_names()
    hub = github(names, GITHUB_READ)
    if newer := superseded_by(hub, args.sha):
        plan = Plan(SUPERSEDED, f"superseded by {newer[:12]}: what is searched has changed on main since")
    else:
        with tempfile.TemporaryDirectory() as folder:
            unpack(hub, args.sha, Path(folder, "commit"))
            plan = plan_of(Path(folder, "commit"), name, args.sha)
    write_json(args.out / "experiment.json", plan.experiment)
    write_text(args.out / "sha256", json_sha256(plan.experiment))
    for key in ("verdict", "sentence", "image", "mlflow"):
        write_text(args.out / key, getattr(plan, key))
    write_text(args.out / "top", str(plan.top))
    print(f"{plan.verdict}: {plan.sentence}")


def plan_of(root: Path, name: str, sha: str) -> Plan:
    """The plan for the files of a commit.

    Raises:
        UserError: the names are the template's, the experiment cannot be read, or its image is of other inputs.
    """
    try:
        names = load_names(root / NAMES_FILE)
        if PLACEHOLDER in f"{names.repository} {names.images.train}":
            raise UserError(
                f"{NAMES_FILE} still says {PLACEHOLDER}, which is the template's own name: run "
                "`python -m slipway init` and merge it."
            )
        path = root / EXPERIMENT
        image = pinned_image(path)
        if image is None:
            return Plan(NOTHING, f"{EXPERIMENT} pins no image yet: the first push of data builds one")
        experiment = read_experiment(path)
        check(path, root)
        top = load_params(root / PARAMS_FILE).train.members
    except UserError as error:  # the files lie in a scratch folder; who reads this has them in the repository
        raise UserError(str(error).replace(f"{root}/", "")) from None
    document = read_yaml(path)
    metadata = document["metadata"]
    metadata |= {"name": name, "namespace": names.namespaces.trials}
    metadata["labels"] = (metadata.get("labels") or {}) | {COMMIT_LABEL: sha}
    metadata.setdefault("annotations", {})
    return Plan(GO, spending(document, experiment.spec.max_trial_count), document, image, names.mlflow, top)


def spending(document: dict[str, Any], trials: int | None) -> str:
    """What a search may take at most, in a sentence."""
    rows = search_plan(document).rows()
    said = f"{rows['trials']} trials, {rows['at once']} at once; each requests {rows['one trial requests']}"
    seconds = document["spec"]["trialTemplate"]["trialSpec"]["spec"].get("activeDeadlineSeconds")
    if seconds is None or trials is None:
        return said
    return f"{said}, for {seconds / 60:g} minutes at most: {trials * seconds / 60:,.0f} pod-minutes at most"
