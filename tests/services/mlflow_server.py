"""A real MLflow server as docs/mlflow.md says to run it: PostgreSQL and S3 behind it, basic auth in front."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sys
import urllib.request
from pathlib import Path

from tests.services.postgres import Postgres
from tests.services.processes import Server, free_ports
from tests.services.s3 import S3

PAGE = Path(__file__).parents[2] / "docs" / "mlflow.md"


def documented_command() -> list[str]:
    """The page's command for a team's server, without the program's name."""
    [line] = re.findall(r"^\$ mlflow (server .*--app-name.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return shlex.split(line)


def documented_variables() -> set[str]:
    """The variables that the page says the server needs."""
    rows = re.findall(r"^\| server \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def documented_auth_file() -> str:
    """The page's file for basic auth."""
    [text] = re.findall(r"^```text\n(\[mlflow\]\n.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return text


class MlflowServer:
    """A server that has been started; :meth:`wait` until it answers, which takes it seconds: it makes 65 tables."""

    def __init__(self, folder: Path, postgres: Postgres, s3: S3) -> None:
        port = free_ports(1)[0]
        self.uri, self.user, self.password = f"http://127.0.0.1:{port}", "admin", secrets.token_hex(16)
        auth = folder / "auth.ini"
        auth.touch(0o600)
        database = f"database_uri = {postgres.uri('auth')}"
        auth.write_text(re.sub(r"^database_uri = .*$", database, documented_auth_file(), flags=re.MULTILINE))
        told = {
            "MLFLOW_BACKEND_STORE_URI": postgres.uri("mlflow"),
            "MLFLOW_AUTH_CONFIG_PATH": str(auth),
            "MLFLOW_AUTH_ADMIN_USERNAME": self.user,
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            **s3.env,
        }
        here = ["--host=127.0.0.1", f"--port={port}", "--workers=1"]  # the last of a flag wins
        self.server = Server(
            "MLflow",
            [sys.executable, "-m", "mlflow", *documented_command(), *here],
            folder / "mlflow.log",
            {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
                "HOME": str(folder),
                "TMPDIR": str(folder),
                **{name: told[name] for name in documented_variables()},
                "AWS_MAX_ATTEMPTS": "1",  # a test stops the storage, and does not want to wait
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
