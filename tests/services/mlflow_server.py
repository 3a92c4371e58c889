"""A real MLflow server, as a cluster runs it: PostgreSQL and S3 behind it, basic auth in front, artifacts proxied."""

from __future__ import annotations

import os
import secrets
import sys
import urllib.request
from pathlib import Path

from tests.services.postgres import Postgres
from tests.services.processes import Server, free_ports
from tests.services.s3 import S3


class MlflowServer:
    """A server that has been started; :meth:`wait` until it answers, which takes it seconds: it makes 65 tables."""

    def __init__(self, folder: Path, postgres: Postgres, s3: S3, destination: str) -> None:
        port = free_ports(1)[0]
        self.uri, self.user, self.password = f"http://127.0.0.1:{port}", "admin", secrets.token_hex(16)
        auth = folder / "auth.ini"
        auth.write_text(
            "[mlflow]\n"
            "default_permission = READ\n"
            f"database_uri = {postgres.uri('auth')}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            "auth_cache_ttl_seconds = 60\n"  # otherwise every request costs a password hash
        )
        auth.chmod(0o600)
        command = "server --app-name basic-auth --workers 1 --host 127.0.0.1".split()
        self.server = Server(
            "MLflow",
            [sys.executable, "-m", "mlflow", *command, f"--port={port}", f"--artifacts-destination={destination}"],
            folder / "mlflow.log",
            {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
                "HOME": str(folder),
                **s3.env,
                "AWS_MAX_ATTEMPTS": "1",  # a storage that is down is told at once
                "MLFLOW_BACKEND_STORE_URI": postgres.uri("mlflow"),
                "MLFLOW_AUTH_CONFIG_PATH": str(auth),
                "MLFLOW_AUTH_ADMIN_USERNAME": self.user,
                "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
                "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes fewer
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "OMP_WAIT_POLICY": "PASSIVE",
            },
            cwd=folder,
        )

    @property
    def env(self) -> dict[str, str]:
        """What a client needs: no key of the storage, the server holds that."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": self.user,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }

    def wait(self) -> None:
        """Wait until it answers; on a busy machine that compiles MLflow first this has taken most of a minute."""
        self.server.wait(self._answers, 120)

    def stop(self) -> None:
        """End it and its workers."""
        self.server.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False
