"""PostgreSQL, S3 and MLflow as real servers, one each for the whole session."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from slipway.names import load_names
from tests.conftest import missing
from tests.services.mlflow_server import MlflowServer
from tests.services.postgres import Postgres
from tests.services.processes import NotInstalled
from tests.services.s3 import S3
from tests.services.small_model import SmallModel

ROOT = Path(__file__).parents[2]
KEPT_LOGS = ROOT / "build" / "tests" / "services"
STORAGE = load_names(ROOT / "slipway.yaml").storage


@pytest.fixture(scope="session")
def logs(request: pytest.FixtureRequest) -> Iterator[list[Path]]:
    """The servers' logs; copied to build/tests/services when a test has failed."""
    files: list[Path] = []
    yield files
    if request.session.testsfailed:
        KEPT_LOGS.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, KEPT_LOGS)
        print(f"\nthe servers' logs are in {KEPT_LOGS}", file=sys.stderr)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, logs: list[Path]) -> Iterator[Postgres]:
    # Not pytest's folder: PostgreSQL may have to run as somebody who cannot enter that.
    with tempfile.TemporaryDirectory(prefix="slipway-postgres-") as folder:
        try:
            server = Postgres(Path(folder))
        except NotInstalled as error:
            missing(f"no PostgreSQL runs here: {error}")
        yield server
        server.stop()
        logs.append(Path(shutil.copy(server.server.log, tmp_path_factory.mktemp("postgres"))))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory, logs: list[Path]) -> Iterator[S3]:
    try:
        server = S3(tmp_path_factory.mktemp("s3"), urlsplit(STORAGE.data).netloc, urlsplit(STORAGE.models).netloc)
    except NotInstalled as error:
        missing(f"no S3 server runs here: {error}")
    logs.append(server.server.log)
    yield server
    server.stop(signal.SIGKILL)  # a proper end takes it seconds, and nobody reads its data again


@pytest.fixture(scope="session")
def starting_mlflow(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, s3: S3, logs: list[Path]
) -> Iterator[MlflowServer]:
    """The MLflow server, which does not answer yet."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"), postgres, s3)
    logs.append(server.server.log)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallModel]:
    """A clone with a small model, in the making."""
    model = SmallModel(tmp_path_factory.mktemp("small"))
    yield model
    model.making.stop()


@pytest.fixture(scope="session", autouse=True)
def head_start(request: pytest.FixtureRequest) -> None:
    """Start what takes long before the first test when any test will need it: it is done while others run."""
    needed = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    if "mlflow_server" in needed:
        request.getfixturevalue("starting_mlflow")
    if "small_model" in needed:
        request.getfixturevalue("small_model")


@pytest.fixture(scope="session")
def mlflow_server(starting_mlflow: MlflowServer) -> MlflowServer:
    """The MLflow server, ready."""
    starting_mlflow.wait()
    return starting_mlflow


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No address and no credentials but those a test sets; what opening a registry sets is gone after it."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "AWS_")):
            monkeypatch.delenv(name)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
