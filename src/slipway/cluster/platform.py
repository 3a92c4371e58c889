"""Install what the loop runs on in a cluster, or say what is missing. kubectl's current context is the cluster.

  platform check      what is missing, and the command that makes it; exit code 1 when something is
  platform up         everything in its order, each component waited for; again whenever something changed in Git
  platform up --s3    with an S3 server in the cluster, for development
  platform up --only katib --only argo-events
                      these components alone

The order is written in one place, slipway.cluster.components, and nowhere else.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from slipway.cluster.components import Component, Secret, components, secrets
from slipway.cluster.kubectl import find, kubectl
from slipway.cluster.pods import Object, hindrances, up
from slipway.errors import UserError
from slipway.names import NAMES_FILE, Names, load_names

_PLACEHOLDER = "your-org/your-repo"
_NOT_BUILT = f"@sha256:{'0' * 64}"
_BUILD = "names an image that was never built: run the workflow `serve-image`, and merge what it proposes."
_PINNED = ("k8s/platform/mlflow", "argo/workflows")
_APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=slipway", "--filename=-")
_PACE = 2
"""Seconds between two looks at what is not up yet."""
_MADE_OF = {"eventbus": "statefulset", "eventsource": "deployment", "sensor": "deployment"}
"""What Argo Events makes of each; a label `KIND-name` says of which."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway platform`."""
    parser.add_argument("what", choices=["up", "check"])
    parser.add_argument("--s3", action="store_true", help="up: an S3 server in the cluster, for development only")
    parser.add_argument("--only", action="append", default=[], metavar="COMPONENT", help="up: this component alone")
    parser.add_argument(
        "--timeout", type=int, default=600, metavar="SECONDS", help="up: for each component, default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Install, or say what is missing."""
    names = load_names()
    if args.what == "check":
        gaps = list(missing(names))
        print("\n".join(gaps) if gaps else "Nothing is missing.")
        return 1 if gaps else 0
    wanted = _wanted(components(names, s3=args.s3), args.only)
    for component in wanted:
        _install(component, args.timeout)
        if component.name == "namespaces" and (gaps := list(_secrets(s for s in secrets(names) if s.needed))):
            print("\n".join(gaps), file=sys.stderr)
            raise UserError("make these secrets, which the next components need, and run `platform up` again.")
    return 0


def missing(names: Names) -> Iterator[str]:
    """What the cluster and the repository lack, a sentence each.

    Raises:
        UserError: there is no cluster to ask.
    """
    kubectl("version", "--output=json", seconds=30)
    if names.repository == _PLACEHOLDER:
        yield f"{NAMES_FILE} still has the template's own names: run `python -m slipway init`, and merge it."
    for folder in _PINNED:
        if Path(folder).exists() and _NOT_BUILT in _built(Path(folder)):
            yield f"{folder} {_BUILD}"
    yield from _namespaces()
    yield from _secrets(secrets(names))
    for component in components(names):
        yield from _component(component)
    yield from _rivals(names.namespaces.workflows)


def _namespaces() -> Iterator[str]:
    for it in yaml.safe_load_all(_built(Path("k8s/platform/namespaces"))):
        if it["kind"] != "Namespace":
            continue
        name = it["metadata"]["name"]
        found = find(f"namespace/{name}")
        if found is None:
            yield f"The namespace {name} is missing: `python -m slipway platform up --only namespaces` makes it."
            continue
        has = found["metadata"].get("labels", {})
        for label, value in it["metadata"]["labels"].items():
            if has.get(label) != value:
                yield f"The namespace {name} lacks the label {label}={value}: `platform up --only namespaces` sets it."


def _secrets(wanted: Iterable[Secret]) -> Iterator[str]:
    for secret in wanted:
        found = find(f"secret/{secret.name}", secret.namespace)
        if found is None:
            yield (
                f"The secret {secret.name} is missing in namespace {secret.namespace} ({secret.what}):\n"
                f"  {secret.command}"
            )
            continue
        data = found.get("data") or {}
        for key in secret.values:
            if not data.get(key):
                yield (
                    f"The secret {secret.name} in namespace {secret.namespace} has no {key}: delete it, then\n"
                    f"  {secret.command}"
                )
        if secret.copy_of and (other := find(f"secret/{secret.name}", secret.copy_of)):
            for key in secret.values:
                if data.get(key) != other.get("data", {}).get(key):
                    yield (
                        f"The secret {secret.name} in namespace {secret.namespace} has another {key} than the one in "
                        f"{secret.copy_of}: delete it, and make it anew."
                    )


def _component(component: Component) -> Iterator[str]:
    again = f"`python -m slipway platform up --only {component.name}` installs it"
    for name, version in component.definitions:
        found = find(f"crd/{name}")
        if found is None:
            yield f"The definition {name} is missing: {again}."
        elif version not in [it["name"] for it in found["spec"]["versions"] if it.get("served")]:
            yield f"The definition {name} does not serve {version}: a version of it that is not ours is installed."
    yield from unready(component, again)


def unready(component: Component, again: str = "nobody made it") -> Iterator[str]:
    """What of a component is not up, a sentence each with the words of whoever hinders it."""
    for name in component.workloads:
        yield from _workload(name, find(name, component.namespace), component, again)
    for resource in component.resources:
        found = find(resource, component.namespace)
        if found is None:
            yield f"{resource} is missing in namespace {component.namespace}: {again}."
            continue
        for condition in found.get("status", {}).get("conditions", []):
            if condition["status"] != "True":
                yield (
                    f"{resource} in namespace {component.namespace} is not {condition['type']}: "
                    f"{condition.get('message') or condition.get('reason') or 'it does not say why'}."
                )
        # `Deployed` is said as soon as the workload is made, whether or not a pod of it ever runs.
        kind, _, name = resource.partition("/")
        made = kubectl(
            "get", _MADE_OF[kind], f"--namespace={component.namespace}", f"--selector={kind}-name={name}", "-o=json"
        )
        items = json.loads(made)["items"]
        if not items:
            yield f"{resource} in namespace {component.namespace} has no {_MADE_OF[kind]} yet: its controller makes it."
        for it in items:
            yield from _workload(f"{_MADE_OF[kind]}/{it['metadata']['name']}", it, component, again)


def _workload(name: str, found: Object | None, component: Component, again: str) -> Iterator[str]:
    if found is None:
        yield f"{name} is missing in namespace {component.namespace}: {again}."
    elif not up(found):
        said = list(hindrances(found))
        yield from said or [f"{name} in namespace {component.namespace} is not rolled out yet."]


def _rivals(ours: str) -> Iterator[str]:
    """Another controller that would take our Workflows, such as a Kubeflow's own."""
    said = kubectl("get", "deployments", "--all-namespaces", "--selector=app=workflow-controller", "--output=json")
    for it in json.loads(said)["items"]:
        namespace = it["metadata"]["namespace"]
        given = [word for c in it["spec"]["template"]["spec"]["containers"] for word in c.get("args") or []]
        if namespace != ours and "--namespaced" not in given:
            yield (
                f"The workflow-controller in namespace {namespace} looks after every namespace, ours too: give it "
                "--namespaced, or an instanceID (docs/platform.md)."
            )


def _wanted(every: list[Component], only: list[str]) -> list[Component]:
    known = [it.name for it in every]
    for name in only:
        if name not in known:
            raise UserError(f"--only {name}: there is no such component; there are {', '.join(known)}.")
    return [it for it in every if not only or it.name in only]


def _install(component: Component, seconds: int) -> None:
    if not component.folder.exists():
        raise UserError(f"{component.folder} is missing: run this in the repository's root.")
    text = _built(component.folder)
    if _NOT_BUILT in text:
        raise UserError(f"{component.folder} {_BUILD}")
    print(f"{component.name}: {component.folder}", flush=True)
    kubectl(*_APPLY, stdin=text, seconds=seconds)
    if crds := [name for name, _ in component.definitions]:
        kubectl("wait", "--for=condition=Established", "crd", *crds, f"--timeout={seconds}s", seconds=seconds + 30)
    deadline = time.monotonic() + seconds
    while left := list(unready(component)):
        if time.monotonic() > deadline:
            raise UserError(f"{component.name} did not come up in {seconds} seconds:\n" + "\n".join(left))
        time.sleep(_PACE)


def _built(folder: Path) -> str:
    return kubectl("kustomize", str(folder), seconds=300)
