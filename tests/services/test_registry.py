"""The registry's calls, the same against SQLite with files and against MLflow on PostgreSQL with S3."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from slipway.errors import UserError
from slipway.names import load_names
from slipway.registry.registry import CONTENT, Registry, _sentence, content_sha256, open_registry
from slipway.serving.source import fetched
from tests.conftest import TEMPLATE
from tests.services.conftest import STORAGE
from tests.services.mlflow_server import MlflowServer, documented_command
from tests.services.processes import free_ports
from tests.services.s3 import S3

pytestmark = pytest.mark.services

PARAMS = {f"{member}.{name}": member + 0.1 for member in range(30) for name in ("eta", "gamma", "alpha", "lambda")}


@dataclass
class Backend:
    """One way to run MLflow: its address and environment, and the bytes of its storage seen past it."""

    uri: str
    env: dict[str, str] = field(default_factory=dict)
    s3: S3 | None = None

    def read(self, storage_uri: str) -> dict[str, bytes]:
        """The files under an address, by relative path, as somebody without MLflow reads them."""
        if self.s3 is None:
            folder = Path(unquote(urlsplit(storage_uri).path))
            return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        bucket, prefix = self._place(storage_uri)
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {
            key.removeprefix(f"{prefix}/"): self._client().get_object(Bucket=bucket, Key=key)["Body"].read()
            for key in keys
        }

    def write(self, storage_uri: str, name: str, content: bytes) -> None:
        """Change one stored file behind MLflow's back."""
        if self.s3 is None:
            Path(unquote(urlsplit(storage_uri).path), name).write_bytes(content)
        else:
            bucket, prefix = self._place(storage_uri)
            self._client().put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)

    @staticmethod
    def _place(storage_uri: str) -> tuple[str, str]:
        return urlsplit(storage_uri).netloc, urlsplit(storage_uri).path.strip("/")

    def _client(self):
        import boto3

        assert self.s3 is not None
        return boto3.client(
            "s3",
            endpoint_url=self.s3.endpoint,
            aws_access_key_id=self.s3.key,
            aws_secret_access_key=self.s3.secret,
            region_name="us-east-1",
        )


@pytest.fixture(scope="module", params=["sqlite and files", "postgresql and s3"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Backend:
    if request.param == "sqlite and files":
        # A space in the path: addresses quote it, files do not.
        return Backend(f"sqlite:///{shutil.copy(empty_database, tmp_path_factory.mktemp('a checkout'))}")
    server: MlflowServer = request.getfixturevalue("mlflow_server")
    return Backend(server.uri, server.env, request.getfixturevalue("s3"))


@pytest.fixture
def registry(backend: Backend, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    for name, value in backend.env.items():
        monkeypatch.setenv(name, value)
    return open_registry(backend.uri)


@pytest.fixture
def name() -> str:
    """A model that no other test has."""
    return f"flight-delay-{uuid.uuid4().hex[:8]}"


def model_folder(path: Path, content: bytes = b"a booster") -> Path:
    (path / "members").mkdir(parents=True)
    (path / "members" / "0.bst").write_bytes(content)
    (path / "members" / "1.bst").write_bytes(os.urandom(2048) if content == b"random" else content * 100)
    (path / "metadata.json").write_text("{}\n")
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_becomes_a_version_and_comes_back_as_it_was(
    backend: Backend, registry: Registry, name: str, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "model")
    made = registry.register_folder(name, folder, {"git_sha": "0" * 40, "trials": 3}, PARAMS, {"auc": 0.75})
    assert (made.version, made.spec) == (1, f"{name}/1")
    assert dict(made.tags) == {"git_sha": "0" * 40, "trials": "3", CONTENT: content_sha256(folder)}
    params, metrics = registry.run_values(made)
    assert params == {key: str(value) for key, value in PARAMS.items()}  # more than one batch of MLflow's
    assert metrics == {"auc": 0.75}
    fetched = registry.download(registry.resolve(f"{name}/1"), tmp_path / "fetched")
    assert files(fetched) == files(folder)


def test_the_storage_address_is_readable_without_mlflow(
    backend: Backend, registry: Registry, name: str, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "model")
    made = registry.register_folder(name, folder)
    address = registry.storage_uri(made, models=STORAGE.models)
    assert backend.read(address) == files(folder)
    assert address.startswith("s3://" if backend.s3 else "file:///")
    if backend.s3:
        assert made.source.startswith("mlflow-artifacts:/")
        assert address.startswith(f"{STORAGE.models}/")


def test_a_server_fetches_what_an_alias_stands_for(
    backend: Backend, registry: Registry, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / "schema.json").write_text("{}\n")
    registry.register_folder(name, folder)
    registry.set_alias(name, "champion", 1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", backend.uri)
    for uri in (f"models:/{name}@champion", f"models:/{name}/1"):
        with fetched(uri) as (path, version):
            assert (files(path), version) == (files(folder), "1")
    with pytest.raises(UserError, match=r"has no alias 'challenger'; its aliases: champion \(version 1\)"):
        fetched(f"models:/{name}@challenger").__enter__()


def test_the_same_content_is_registered_once(registry: Registry, name: str, tmp_path: Path) -> None:
    first = registry.register_folder(name, model_folder(tmp_path / "model"), {"git_sha": "a"})
    again = registry.register_folder(name, model_folder(tmp_path / "copy"), {"git_sha": "b"})
    other = registry.register_folder(name, model_folder(tmp_path / "other", b"another booster"))
    assert again == first
    assert [version.version for version in registry.versions(name)] == [2, 1]
    assert registry.with_content(name, str(other.tags[CONTENT])) == other


def test_an_alias_points_at_one_version_and_moves(registry: Registry, name: str, tmp_path: Path) -> None:
    registry.register_folder(name, model_folder(tmp_path / "1", b"one"))
    registry.register_folder(name, model_folder(tmp_path / "2", b"two"))
    registry.set_alias(name, "champion", 1)
    registry.set_alias(name, "challenger", 2)
    assert registry.aliases(name) == {"challenger": 2, "champion": 1}
    registry.set_alias(name, "champion", 2)
    champion = registry.resolve(f"models:/{name}@champion")
    assert (champion.version, champion.aliases) == (2, ("challenger", "champion"))
    registry.set_tag(champion, "gate", "passed")
    assert registry.resolve(f"{name}/2").tags["gate"] == "passed"


def test_what_is_not_there_is_said_with_what_is(registry: Registry, name: str, tmp_path: Path) -> None:
    registry.register_folder(name, model_folder(tmp_path / "model"))
    registry.set_alias(name, "challenger", 1)
    with pytest.raises(UserError, match=r"no alias 'champion'; its aliases: challenger \(version 1\); its versions: 1"):
        registry.resolve(f"{name}@champion")
    with pytest.raises(UserError, match="no version 7; its versions: 1"):
        registry.resolve(f"{name}/7")
    with pytest.raises(UserError, match=f"no versions of the model 'flight-dealy'; its models: .*{name}"):
        registry.resolve("flight-dealy@champion")
    with pytest.raises(UserError, match="write NAME@ALIAS or NAME/NUMBER"):
        registry.resolve(f"{name}/latest")
    with pytest.raises(UserError, match=f"setting {name}@champion to version 7"):
        registry.set_alias(name, "champion", 7)
    assert registry.aliases("flight-dealy") == {}
    assert registry.versions("flight-dealy") == []


def test_a_download_is_whole_checked_and_done_once(
    backend: Backend, registry: Registry, name: str, tmp_path: Path
) -> None:
    made = registry.register_folder(name, model_folder(tmp_path / "model"))
    target = registry.download(made, tmp_path / "fetched")
    before = (target / "members" / "0.bst").stat().st_ino
    assert registry.download(made, target) == target
    assert (target / "members" / "0.bst").stat().st_ino == before  # not fetched again

    backend.write(registry.storage_uri(made, models=STORAGE.models), "members/0.bst", b"tampered")
    (target / "metadata.json").write_text('{"older": true}')
    with pytest.raises(UserError, match=f"{name}/1 .* are not those that were registered"):
        registry.download(made, target)
    assert (target / "metadata.json").read_text() == '{"older": true}'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fetched", "model"]  # no partial folder stays

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letters.txt").write_text("dear")
    with pytest.raises(UserError, match="something that is not a model"):
        registry.download(made, tmp_path / "home")
    assert files(tmp_path / "home") == {"letters.txt": b"dear"}


def test_what_is_attached_lies_beside_the_version_and_the_newest_counts(
    backend: Backend, registry: Registry, name: str, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "model")
    made = registry.register_folder(name, folder)
    assert registry.attached(made, "gate/decision.md") is None
    for text in ("refused", "## Passed ✓\n"):
        registry.attach(made, {"gate/decision.md": text})
        assert registry.attached(made, "gate/decision.md") == text
    assert registry.attached(made, "gate/decision.json") is None
    assert backend.read(registry.storage_uri(made, models=STORAGE.models)) == files(folder)
    assert files(registry.download(made, tmp_path / "fetched")) == files(folder)


def test_who_may_only_read_is_told_so(
    mlflow_server: MlflowServer, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.auth.client import AuthServiceClient

    for key, value in mlflow_server.env.items():
        monkeypatch.setenv(key, value)
    made = open_registry().register_folder(name, model_folder(tmp_path / "model"))
    AuthServiceClient(mlflow_server.uri).create_user(name, "only-reads-this")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "only-reads-this")
    reader = open_registry()
    with pytest.raises(UserError, match=rf"does not allow this \(writing gate/decision.md beside {name}/1\)"):
        reader.attach(made, {"gate/decision.md": "passed"})
    assert reader.attached(made, "gate/decision.md") is None


def test_a_bad_folder_or_metric_registers_nothing(registry: Registry, name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, metrics, sentence in [
        (tmp_path / "nowhere", {}, "is not a folder"),
        (tmp_path / "empty", {}, "is empty"),
        (model_folder(tmp_path / "model"), {"auc": float("nan")}, "the metric auc is nan"),
    ]:
        with pytest.raises(UserError, match=sentence):
            registry.register_folder(name, folder, metrics=metrics)
    assert registry.versions(name) == []


AT_ONCE = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from slipway.registry.registry import open_registry
import mlflow  # imported once, then forked

uri, name, *folders = sys.argv[1:]
if uri.startswith("sqlite:"):
    import mlflow.store.tracking.sqlalchemy_store

def register(folder):
    return open_registry(uri).register_folder(name, Path(folder)).version

with ProcessPoolExecutor(len(folders), mp_context=multiprocessing.get_context("fork")) as processes:
    print(*processes.map(register, folders))
"""


def test_processes_that_register_at_once_agree(
    backend: Backend, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three at once, two of them with the same content; on SQLite the database does not exist yet either."""
    (tmp_path / "new").mkdir()
    uri = backend.uri if backend.s3 else f"sqlite:///{tmp_path}/new/mlflow.db"
    folders = [model_folder(tmp_path / str(i), content) for i, content in enumerate((b"same", b"same", b"other"))]
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, uri, name, *folders],
        env={
            **os.environ,
            **backend.env,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "MLFLOW_LOGGING_LEVEL": "CRITICAL",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    same, also_same, other = map(int, done.stdout.split())
    assert same == also_same != other
    for key, value in backend.env.items():
        monkeypatch.setenv(key, value)
    assert {version.version for version in open_registry(uri).versions(name)} == {same, other}


def run_states(registry: Registry, experiment: str) -> list[str]:
    client = registry._client
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else [run.info.status for run in client.search_runs([found.experiment_id])]


def test_a_failed_upload_to_files_leaves_no_version(tmp_path: Path, name: str, empty_database: Path) -> None:
    registry = open_registry(f"sqlite:///{shutil.copy(empty_database, tmp_path)}")
    (tmp_path / "mlruns").write_text("a file where the artifacts should lie")
    with pytest.raises(UserError, match=r"registering .*model"):
        registry.register_folder(name, model_folder(tmp_path / "model"))
    assert registry.versions(name) == []
    assert run_states(registry, name) == ["FAILED"]
    (tmp_path / "mlruns").unlink()
    assert registry.register_folder(name, tmp_path / "model").version == 1


def test_a_failed_upload_to_s3_leaves_no_version(
    mlflow_server: MlflowServer, s3: S3, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {**mlflow_server.env, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}.items():
        monkeypatch.setenv(key, value)
    registry = open_registry()
    s3.stop()
    try:
        with pytest.raises(UserError, match=r"\(registering .*: the storage behind it may be down"):
            registry.register_folder(name, model_folder(tmp_path / "model"))
    finally:
        s3.start()
    assert registry.versions(name) == []
    assert run_states(registry, name) == ["FAILED"]
    assert registry.register_folder(name, tmp_path / "model").version == 1


def test_a_local_registry_is_found_from_any_folder(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    monkeypatch.chdir(home)
    shutil.copy(TEMPLATE / "slipway.yaml", home)
    registry = open_registry()  # the default: mlflow.db and mlruns here
    made = registry.register_folder(name, model_folder(tmp_path / "model"))
    monkeypatch.chdir(away)
    assert files(registry.download(made, away / "fetched")) == files(tmp_path / "model")
    again = open_registry(f"sqlite:///{home}/mlflow.db")
    other = again.register_folder(name, model_folder(tmp_path / "other", b"other"), experiment="another")
    assert again.storage_uri(other).startswith((home / "mlruns").as_uri())
    assert sorted(path.name for path in home.iterdir()) == ["mlflow.db", "mlruns", "slipway.yaml"]
    assert [path.name for path in away.iterdir()] == ["fetched"]


def test_wrong_credentials_are_refused(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    for user, password in (("", ""), ("admin", "guessed")):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        with pytest.raises(UserError, match=r"refuses your credentials .* set MLFLOW_TRACKING_USERNAME"):
            open_registry()


def answer_to(server: MlflowServer, host: str) -> tuple[int, str]:
    """What the server says, without credentials, to who calls it by the name ``host``."""
    request = urllib.request.Request(f"{server.uri}/api/2.0/mlflow/registered-models/search", headers={"Host": host})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    return refused.value.code, refused.value.read().decode()


def test_the_server_answers_to_its_name_in_the_cluster_and_to_no_other(mlflow_server: MlflowServer) -> None:
    """MLflow checks the Host header: without the page's --allowed-hosts a Service's name is refused."""
    in_cluster = urlsplit(load_names(TEMPLATE / "slipway.yaml").mlflow).netloc
    assert answer_to(mlflow_server, in_cluster)[0] == 401  # it knows the name, and wants a password
    code, answer = answer_to(mlflow_server, "mlflow.elsewhere.svc:5000")
    assert code == 403
    said = _sentence("http://mlflow.elsewhere.svc:5000", "opening it", Exception(answer))
    assert "--allowed-hosts that includes mlflow.elsewhere.svc:5000" in said


def test_the_page_names_the_bucket_of_slipway_yaml() -> None:
    command = documented_command()
    assert command[command.index("--artifacts-destination") + 1] == STORAGE.models


def test_an_address_nobody_answers_at_is_said_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    with pytest.raises(UserError, match=r"does not answer .*Connection refused") as refused:
        open_registry(f"http://someone:hunter2@127.0.0.1:{port}")
    assert "hunter2" not in str(refused.value)


def test_a_server_that_never_answers_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(UserError, match=r"does not answer .*timed out"),
    ):
        open_registry(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_what_is_not_mlflow_is_said(s3: S3) -> None:
    with pytest.raises(UserError, match=r"does not allow this|is not MLflow"):
        open_registry(s3.endpoint)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("./mlruns", "neither a server nor a database"),
        ("file:///tmp/mlruns", "neither a server nor a database"),
        ("databricks", "neither a server nor a database"),
        ("http://:5000", "names no host"),
        ("sqlite:///:memory:", "names no file"),
        ("https://user:hunter2/a@127.0.0.1:1", "has a password with a /, [?] or # in it"),
        ("https://hunter2@127.0.0.1:1", r"MLflow at https://\*\*\*@127\.0\.0\.1:1 does not answer"),
        ("postgresql+psycopg://u@127.0.0.1:1/mlflow?password=hunter2", "password=\\*\\*\\*"),
        ("sqlite:////nowhere/at/all/mlflow.db", "unable to open database file"),
        ("postgresql+psycopg://mlflow:hunter2@127.0.0.1:1/mlflow", "[Cc]onnection refused"),
    ],
)
def test_a_wrong_address_is_a_sentence(uri: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as refused:
        open_registry(uri)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_opening_imports_what_it_needs_only(tmp_path: Path, empty_database: Path) -> None:
    """Every verb is a process: MLflow is not imported for --help, and pandas and scikit-learn not for a registry."""
    code = (
        "import sys; from slipway.registry.registry import open_registry; assert 'mlflow' not in sys.modules\n"
        "open_registry()\n"
        "assert not {'pandas', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "import scipy\n"  # what was left out is still to be had
    )
    shutil.copy(empty_database, tmp_path)
    shutil.copy(TEMPLATE / "slipway.yaml", tmp_path)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
