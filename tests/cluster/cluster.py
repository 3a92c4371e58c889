"""What a test does with a cluster: apply, wait, read, break; on our own node or on a cluster that is there.

Everything is kubectl, as a person would type it. Nobody waits for seconds: `wait` watches for a state; its deadline is
the failure and not the pace.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.cluster.images.containerd import Containerd
from tests.services.processes import free_ports

Object = dict[str, Any]
Result = TypeVar("Result")
DEADLINE = 120.0
"""Seconds; what is waited for takes a fifth of it on two busy cores."""


class Refused(Exception):
    """kubectl said no; the message is what it said."""


class NotReached(Exception):
    """A state that did not come before its deadline; the message tells how far it came."""


class Cluster(ABC):
    """A cluster and the administrator's rights on it."""

    def __init__(self, kubectl: Path | str, kubeconfig: Path, env: Mapping[str, str]) -> None:
        self._kubectl = [str(kubectl), f"--kubeconfig={kubeconfig}"]
        self.env = {**os.environ, "KUBECONFIG": str(kubeconfig), **env}
        """For any program that is to work on it: kubectl is on the PATH and finds upstream's manifests."""

    # ---- what a person types

    def kubectl(self, *words: str, stdin: str | None = None, seconds: float = 600) -> str:
        """What `kubectl WORDS` writes to stdout.

        Raises:
            Refused: it ended with an error.
        """
        command = [*self._kubectl, *words]
        done = subprocess.run(command, input=stdin, env=self.env, capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise Refused(f"kubectl {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def apply(self, *what: Object | str | Path, strict: bool = True) -> str:
        """Apply objects, YAML text, files or kustomizations, server-side; an unknown field is refused when `strict`."""
        flags = ["apply", "--server-side", "--force-conflicts", f"--validate={'strict' if strict else 'warn'}"]
        said = ""
        for it in what:
            if isinstance(it, Path):
                said += self.kubectl(*flags, "-k" if it.is_dir() else "-f", str(it))
            else:
                text = it if isinstance(it, str) else yaml.safe_dump(it)
                said += self.kubectl(*flags, "-f", "-", stdin=text)
        return said

    def get(self, name: str, namespace: str = "default") -> Object | None:
        """An object by `kind/name`, or None."""
        said = self.kubectl("get", name, f"--namespace={namespace}", "--ignore-not-found", "--output=json")
        return json.loads(said) if said else None

    def objects(self, kind: str, namespace: str = "default", selector: str = "") -> list[Object]:
        """All objects of a kind in a namespace."""
        flags = [f"--namespace={namespace}", "--output=json", *([f"--selector={selector}"] if selector else [])]
        return json.loads(self.kubectl("get", kind, *flags))["items"]

    def delete(self, name: str, namespace: str = "default", *flags: str) -> None:
        """Delete an object by `kind/name`; one that is gone already is no error."""
        self.kubectl("delete", name, f"--namespace={namespace}", "--ignore-not-found", *flags)

    def logs(self, name: str, namespace: str = "default", *flags: str) -> str:
        """The log of a pod, or of `deployment/name`, all containers."""
        return self.kubectl("logs", name, f"--namespace={namespace}", "--all-containers", *flags)

    def events(self, namespace: str = "default") -> list[str]:
        """What happened in a namespace, oldest first: `Pod/name Reason: message`."""
        found = sorted(
            self.objects("events", namespace),
            key=lambda it: it.get("lastTimestamp") or it["metadata"]["creationTimestamp"],
        )
        return [
            f"{it['involvedObject']['kind']}/{it['involvedObject']['name']} {it.get('reason')}: {it.get('message')}"
            for it in found
        ]

    def exec(self, pod: str, namespace: str, *command: str) -> str:
        """Run a command in a pod; what it writes to stdout."""
        return self.kubectl("exec", pod, f"--namespace={namespace}", "--", *command)

    # ---- waiting

    def wait(
        self,
        name: str,
        until: Callable[[Object], object],
        namespace: str = "default",
        seconds: float = DEADLINE,
    ) -> Object:
        """Watch `kind/name`, which need not be there yet, and return it as soon as ``until`` is true of it.

        Raises:
            NotReached: the deadline passed; tells the object's status and the namespace's last events.
        """
        kind, _, one = name.partition("/")
        last: Object | None = None
        for last in self._watch(kind, namespace, f"metadata.name={one}", seconds):
            if until(last):
                return last
        status = json.dumps((last or {}).get("status", "it never was there"), indent=1)
        happened = "\n".join(self.events(namespace)[-15:])
        raise NotReached(f"{name} in {namespace} after {seconds:.0f} s: {status}\n{happened}")

    def wait_gone(self, name: str, namespace: str = "default", seconds: float = DEADLINE) -> None:
        """Wait until `kind/name` is not there."""
        self.kubectl(
            "wait", "--for=delete", name, f"--namespace={namespace}", f"--timeout={seconds:.0f}s", seconds=seconds + 30
        )

    def wait_available(self, namespace: str, *deployments: str, seconds: float = DEADLINE) -> None:
        """Wait until Deployments have the pods they want, of their newest template."""
        for name in deployments:
            self.wait(f"deployment/{name}", _available, namespace, seconds)

    def _watch(self, kind: str, namespace: str, fields: str, seconds: float) -> Iterator[Object]:
        """Every state of the objects from now on, until the deadline."""
        command = [
            *self._kubectl,
            "get",
            kind,
            f"--namespace={namespace}",
            f"--field-selector={fields}",
            "--watch",
            "--output=json",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            assert process.stdout
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if line == "}\n":  # the end of one: kubectl indents what is inside
                    yield json.loads("".join(lines))
                    lines = []
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]

    # ---- reaching and breaking

    @contextmanager
    def forward(self, name: str, port: int, namespace: str) -> Iterator[str]:
        """The address on this machine of a port of `service/name` or `pod/name`."""
        here = free_ports(1)[0]
        command = [*self._kubectl, "port-forward", name, f"{here}:{port}", f"--namespace={namespace}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            assert process.stdout
            said = process.stdout.readline()
            if not said.startswith("Forwarding from"):
                raise Refused(f"{' '.join(command)}: {said}{process.stdout.read()}")
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield f"http://127.0.0.1:{here}"
        finally:
            process.kill()
            process.wait()

    def kill(self, pod: str, namespace: str) -> None:
        """End a pod at once, as a lost machine does; whoever made it makes another or does not."""
        self.delete(f"pod/{pod}", namespace, "--grace-period=0", "--force")

    def kill_all(self, selector: str, namespace: str) -> list[str]:
        """The same for all pods with a label; their names."""
        names = [it["metadata"]["name"] for it in self.objects("pods", namespace, selector)]
        for name in names:
            self.kill(name, namespace)
        return names

    @property
    @abstractmethod
    def containerd(self) -> Containerd:
        """The node's images."""

    def import_image(self, archive: Path) -> str:
        """Give it the image in an archive that `docker save` or images/archive.py wrote; returns `name@sha256:…`."""
        return self.containerd.import_image(archive)

    @abstractmethod
    def restart_node(self) -> None:
        """End everything on the node without a word, and start it again with what its disk holds."""

    @abstractmethod
    def in_pod_network(self, command: Sequence[str]) -> list[str]:
        """The command that runs ``command`` where the cluster's Services and their names are reached as from a pod."""

    @property
    @abstractmethod
    def machine(self) -> str:
        """The address under which pods reach servers of this process, which must listen there (or on 0.0.0.0)."""


def eventually(attempt: Callable[[], Result], seconds: float = DEADLINE) -> Result:
    """What ``attempt`` returns as soon as that is true of it and it raises nothing: for states that cannot be watched.

    Raises:
        Exception: what it raised last, when the deadline has passed.
        NotReached: it returned nothing until then.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := attempt():
                return result
            failed: Exception = NotReached(f"nothing after {seconds:.0f} s")
        except Exception as error:
            failed = error
        if time.monotonic() > deadline:
            raise failed
        time.sleep(0.2)


def _available(deployment: Object) -> bool:
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return status.get("observedGeneration", 0) >= deployment["metadata"]["generation"] and status.get(
        "updatedReplicas", 0
    ) == status.get("availableReplicas", 0) == wanted == status.get("replicas", 0)


def condition(kind: str, status: str = "True") -> Callable[[Object], bool]:
    """For `wait`: the object's status has this condition."""
    return lambda it: any(
        found["type"] == kind and found["status"] == status for found in it.get("status", {}).get("conditions", [])
    )
