"""What the loop runs on in a cluster: the components in their order, and the secrets that a person makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slipway.names import Names

KUBEFLOW = "kubeflow"
"""Katib's namespace; upstream's manifests and its webhooks name it."""
_RANDOM = '"$(openssl rand -hex 24)"'


@dataclass(frozen=True)
class Component:
    """A kustomization, and what is waited for once it is applied.

    Attributes:
        folder: the kustomization, in the repository.
        namespace: where its workloads run.
        workloads: `deployment/NAME`, `statefulset/NAME`: each is rolled out before the next component begins.
        resources: custom resources as `KIND/NAME`: each is `Deployed`, and the pods made of it are ready.
        definitions: the CRDs it brings, and the version of each that this repository uses.
    """

    folder: Path
    namespace: str = ""
    workloads: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What `platform up --only` calls it."""
        return self.folder.name if self.folder.parts[0] == "k8s" else f"our-{self.folder.name}"


def components(names: Names, *, s3: bool = False) -> list[Component]:
    """All of them, in the order of installing; ``s3`` for a storage in the cluster, which is for development only."""
    here, space = Path("k8s/platform"), names.namespaces
    storage = Component(here / "s3", space.platform, ("statefulset/s3",)) if s3 else Component(here / "storage")
    argo = [
        f"{kind}.argoproj.io" for kind in ("workflows", "workflowtemplates", "cronworkflows", "workflowtaskresults")
    ]
    events = [f"{kind}.argoproj.io" for kind in ("eventbus", "eventsources", "sensors")]
    katib = [f"{kind}.kubeflow.org" for kind in ("experiments", "suggestions", "trials")]
    return [
        Component(here / "namespaces"),
        storage,
        Component(here / "postgres", space.platform, ("statefulset/postgres",)),
        Component(here / "mlflow", space.platform, ("deployment/mlflow",)),
        Component(
            here / "katib",
            KUBEFLOW,
            ("deployment/katib-db-manager", "deployment/katib-controller"),
            definitions=tuple((kind, "v1beta1") for kind in katib),
        ),
        Component(
            here / "argo-workflows",
            space.workflows,
            ("deployment/workflow-controller",),
            definitions=tuple((kind, "v1alpha1") for kind in argo),
        ),
        Component(
            here / "argo-events",
            space.workflows,
            ("deployment/controller-manager",),
            definitions=tuple((kind, "v1alpha1") for kind in events),
        ),
        Component(Path("argo/workflows"), space.workflows),
        Component(
            Path("argo/events"), space.workflows, resources=("eventbus/default", "eventsource/github", "sensor/tune")
        ),
    ]


@dataclass(frozen=True)
class Secret:
    """A Secret that a person makes; nothing in Git holds one.

    Attributes:
        what: what it is for, in words.
        values: its keys, and what a shell puts there. `FILE` is a file of the person's.
        copy_of: the namespace of the Secret of the same name that has the same values.
        needed: `up` waits for it; without it the loop runs, and a step says that it is missing.
    """

    namespace: str
    name: str
    what: str
    values: dict[str, str]
    copy_of: str = ""
    needed: bool = True

    @property
    def command(self) -> str:
        """What makes it."""
        given = []
        for key, value in self.values.items():
            if self.copy_of:
                read = f"kubectl get secret {self.name} --namespace {self.copy_of}"
                value = f"\"$({read} --output=go-template='{{{{.data.{key} | base64decode}}}}')\""
            given.append(f"--from-file={key}=FILE" if value == "FILE" else f"--from-literal={key}={value}")
        return f"kubectl create secret generic {self.name} --namespace {self.namespace} {' '.join(given)}"


def secrets(names: Names) -> list[Secret]:
    """All of them."""
    space = names.namespaces
    keys = {"accessKey": "KEY", "secretKey": "SECRET"}
    password = {"username": "slipway", "password": _RANDOM}
    token = {"token": "FILE"}
    return [
        Secret(space.platform, "postgres", "the database's owner", password),
        Secret(space.platform, "katib-postgres", "Katib's user of the database", {**password, "username": "katib"}),
        Secret(KUBEFLOW, "katib-postgres", "the same, where Katib reads it", password, copy_of=space.platform),
        Secret(space.platform, "models-s3", "S3, for the models", keys),
        Secret(
            space.platform,
            "mlflow",
            "MLflow's first user, and the key of its cookies",
            {"username": "admin", "password": _RANDOM, "cookies": _RANDOM},
        ),
        Secret(space.workflows, "mlflow", "the same user, for the steps", password, copy_of=space.platform),
        Secret(space.workflows, "artifacts", "S3, for what steps hand on", keys),
        Secret(space.workflows, "github-webhook", "what GitHub signs with", {"secret": "FILE"}),
        Secret(space.workflows, "github-read", "GitHub: contents, read", token, needed=False),
        Secret(space.workflows, "github", "GitHub: contents, pull requests, statuses, write", token, needed=False),
        Secret(space.workflows, "slack", "Slack: a bot with chat:write", token, needed=False),
    ]
