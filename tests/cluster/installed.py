"""The platform on the cluster, installed as a person does: `slipway platform up`, with secrets of the run's own."""

from __future__ import annotations

import secrets
import subprocess
import sys

from slipway.cluster.components import Secret
from slipway.cluster.components import secrets as wanted
from slipway.names import load_names
from tests.cluster.cluster import Cluster, Object
from tests.conftest import ROOT


class Installed:
    """What the platform was told, for those who speak with its parts."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.names = load_names(ROOT / "slipway.yaml")
        self.secrets: dict[tuple[str, str], dict[str, str]] = {}
        """What is in each Secret, by namespace and name."""
        self._s3 = {"accessKey": secrets.token_hex(8), "secretKey": secrets.token_hex(16)}

    def install(self, *components: str) -> None:
        """Install these components, in the order that `platform up` knows; ready when this returns."""
        first = self._up("namespaces")
        assert first.returncode == 0 or "make these secrets" in first.stderr, first.stderr
        for secret in wanted(self.names):
            self._make(secret)
        done = self._up(*components)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    def _up(self, *components: str) -> subprocess.CompletedProcess[str]:
        only = [word for name in components for word in ("--only", name)]
        command = [sys.executable, "-m", "slipway", "platform", "up", "--s3", *only]
        env = {**self.cluster.env, "PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)

    def _make(self, secret: Secret) -> None:
        """As the command that `platform check` says, but for what only a person knows."""
        if secret.copy_of:
            there = self.secrets[secret.copy_of, secret.name]
            values = {key: there[key] for key in secret.values}
        else:
            values = {key: self._value(key, said) for key, said in secret.values.items()}
        self.secrets[secret.namespace, secret.name] = values
        made: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret.name, "namespace": secret.namespace},
            "stringData": values,
        }
        self.cluster.apply(made)

    def _value(self, key: str, said: str) -> str:
        if key in self._s3:
            return self._s3[key]
        return said if key == "username" else secrets.token_hex(16)
