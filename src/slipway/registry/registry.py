"""MLflow's model registry, as the loop uses it: one folder is one version, and a version never changes.

A thin layer over :class:`mlflow.MlflowClient`. What it adds: a person's mistakes end with a sentence, nothing hangs,
the same folder is registered once, and a version has an address a cluster can read.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from slipway.addresses import masked
from slipway.away import UnavailableError
from slipway.errors import UserError
from slipway.files import whole_folder
from slipway.names import LOCAL_MLFLOW, NAMES_FILE, load_names, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONTENT = "content_sha256"
"""The version's tag that holds :func:`content_sha256` of its folder."""
ARTIFACT_PATH = "model"
"""Where the folder lies among its run's artifacts."""
PROBE_SECONDS = 5
REQUEST_SECONDS = 30
LOCK_SECONDS = 120
_BATCH = 100
_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_AWAY = (
    r"too many 5\d\d error responses|Connection aborted|Connection refused|failed with exception|failed with timeout|"
    r"could not connect|server closed the connection|\b50[0234] Server Error"
)
"""In the words of MLflow's errors: a server, its database or its storage that is not there now."""
_UNUSED_IMPORTS = ("pandas", "scipy", "sklearn", "matplotlib")


@dataclass(frozen=True)
class Version:
    """One model version. ``source`` is MLflow's own address; :meth:`Registry.storage_uri` gives the bytes' address."""

    name: str
    version: int
    source: str
    run_id: str
    registered_at: str = ""  # RFC 3339
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def spec(self) -> str:
        """``name/3``: what :meth:`Registry.resolve` takes."""
        return f"{self.name}/{self.version}"


def content_sha256(folder: Path) -> str:
    """A hash over a folder's files, their relative paths and bytes; times, modes and empty folders do not count.

    It is the SHA-256 of what ``sha256sum`` prints for the files, sorted by path.

    Raises:
        UserError: there is no such folder, or no file in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: name the model's folder.")
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    if not files:
        raise UserError(f"{folder} is empty: there is no model in it.")
    total = hashlib.sha256()
    for name, path in files:
        with path.open("rb") as stream:
            total.update(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {name}\n".encode())
    return total.hexdigest()


def open_registry(uri: str | None = None) -> Registry:
    """Open the registry at ``uri``, else where :func:`slipway.names.tracking_uri` says.

    Asks it one question, so that whatever is wrong with the address or the credentials is said here and at once.
    The user name and password of a server come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.

    Raises:
        UserError: the address is not one of a server or a database, nobody answers there, or it refuses.
    """
    by_default = uri is None
    uri = (uri or tracking_uri()).strip()
    if by_default and uri == LOCAL_MLFLOW and not Path("mlflow.db").exists():
        print(
            "the registry is a new mlflow.db in this folder; MLFLOW_TRACKING_URI names another",
            file=sys.stderr,
        )
    kind = urlsplit(uri).scheme.partition("+")[0]
    if kind not in _SERVERS + _DATABASES or "://" not in uri:
        raise UserError(
            f"MLflow's address {masked(uri)!r} is neither a server nor a database: set MLFLOW_TRACKING_URI to "
            f"http://HOST:PORT, https://HOST or sqlite:///mlflow.db."
        )
    if kind in _SERVERS and not urlsplit(uri).hostname:
        raise UserError(f"MLflow's address {masked(uri)!r} names no host: write http://HOST:PORT.")
    named, _, behind = uri.partition("://")[2].replace("?", "/").replace("#", "/").partition("/")
    if kind != "sqlite" and "@" in behind and "@" not in named:
        raise UserError(
            f"MLflow's address {masked(uri)!r} has a password with a /, ? or # in it, which ends a host's name: "
            "write %2F, %3F or %23, or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    if kind == "sqlite":
        if uri.removeprefix("sqlite://") in ("", "/", "/:memory:"):
            raise UserError(f"MLflow's address {uri!r} names no file: write sqlite:///mlflow.db.")
        # Made absolute: the address is kept, the current folder may change.
        uri = f"sqlite:///{Path(uri.removeprefix('sqlite:///')).absolute()}"
    # Shorter than MLflow's own, which wait for minutes; what a person has set wins.
    patience = {"MLFLOW_HTTP_REQUEST_TIMEOUT": PROBE_SECONDS, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": 1}
    patience = {name: value for name, value in patience.items() if name not in os.environ}
    for name, value in {
        **patience,
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": 1,
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is raised, and said once
        "PGCONNECT_TIMEOUT": PROBE_SECONDS,
    }.items():
        os.environ.setdefault(name, str(value))
    with _said(uri, "opening it"):
        mlflow = _import_mlflow()
        if kind in _DATABASES:
            _touch_database(uri)
        with _alone(uri):
            client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_registered_models(max_results=1)
    if "MLFLOW_HTTP_REQUEST_TIMEOUT" in patience:
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(REQUEST_SECONDS)
    if "MLFLOW_HTTP_REQUEST_MAX_RETRIES" in patience:
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "3"
    return Registry(uri, client)


class Registry:
    """An open registry; get one from :func:`open_registry`. Every method raises UserError where MLflow refuses."""

    def __init__(self, uri: str, client: MlflowClient) -> None:
        self.uri = uri
        self._client = client

    def register_folder(
        self,
        name: str,
        folder: Path,
        tags: Mapping[str, object] | None = None,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        experiment: str | None = None,
    ) -> Version:
        """Make ``folder`` a version of the model ``name``: a run with params, metrics and the files, then the version.

        The same content is registered once: a second call, or a second process at the same time, gets the version that
        is already there, as it is. When anything fails the run ends as FAILED and there is no version.

        Args:
            name: the registered model; made when it is new.
            folder: the model's folder; all its files are uploaded.
            tags: for the version and its run; values become text.
            params: for the run.
            metrics: for the run, finite.
            experiment: the run's; made when it is new. Default: ``name``.

        Raises:
            UserError: the folder is missing or empty, a metric is not finite, or MLflow or its storage refuses.
        """
        content = content_sha256(folder)
        for metric, value in (metrics or {}).items():
            if not math.isfinite(value):
                raise UserError(f"the metric {metric} is {value}, which is not a number: {folder} is not registered.")
        written = {key: str(value) for key, value in (tags or {}).items()} | {CONTENT: content}
        with _said(self.uri, f"registering {folder}"), _alone(self.uri):
            known = self.with_content(name, content)
            if known:
                return known
            run_id = self._logged_run(name, folder, written, params or {}, metrics or {}, experiment or name)
        # On a server two processes may have come this far with the same folder; the lower number stays.
        first = self.with_content(name, content)
        assert first is not None
        if first.run_id != run_id:
            with _said(self.uri, f"registering {folder}"):
                for made in self._client.search_model_versions(f"name='{name}' and run_id='{run_id}'"):
                    self._client.delete_model_version(name, str(made.version))
                self._client.delete_run(run_id)
        return first

    def _logged_run(
        self,
        name: str,
        folder: Path,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        experiment: str,
    ) -> str:
        """One finished run with the folder as its artifact, and the version that points at it. Returns the run's id."""
        from mlflow.entities import Metric, Param
        from mlflow.utils.time import get_current_time_millis

        client = self._client
        run = client.create_run(self._experiment(experiment), tags=dict(tags), run_name=f"{name}-{tags[CONTENT][:12]}")
        run_id = run.info.run_id
        try:
            now = get_current_time_millis()
            values = [Param(key, str(value)) for key, value in params.items()]
            for start in range(0, len(values), _BATCH):
                client.log_batch(run_id, params=values[start : start + _BATCH])
            client.log_batch(run_id, metrics=[Metric(key, float(v), now, 0) for key, v in metrics.items()])
            client.log_artifacts(run_id, str(folder), ARTIFACT_PATH)
            self._model(name)
            client.set_terminated(run_id, "FINISHED")  # so that what ends this now leaves a version whole, or none
            client.create_model_version(
                name,
                source=f"{run.info.artifact_uri.rstrip('/')}/{ARTIFACT_PATH}",
                run_id=run_id,
                tags=dict(tags),
                await_creation_for=REQUEST_SECONDS,
            )
        except BaseException:
            # Whatever ended it, Ctrl-C too. If MLflow itself is gone this fails as well; the first reason is told.
            with _suppressed():
                client.set_terminated(run_id, "FAILED")
            raise
        return run_id

    def _experiment(self, name: str) -> str:
        """The experiment's id. In a local database its artifacts lie beside the database, wherever one stands."""
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            location = None
            if self.uri.startswith("sqlite:"):
                location = (Path(self.uri.removeprefix("sqlite:///")).parent / "mlruns").as_uri()
            try:
                return self._client.create_experiment(name, artifact_location=location)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self._client.get_experiment_by_name(name)  # another process was quicker
        if found is None or found.lifecycle_stage != "active":
            raise UserError(f"the experiment {name!r} was deleted in MLflow: restore it, or name another one.")
        return found.experiment_id

    def _model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def with_content(self, name: str, content: str) -> Version | None:
        """The first version of ``name`` whose folder has this :func:`content_sha256` and is there, if there is one."""
        same = [version for version in self.versions(name) if version.tags.get(CONTENT) == content]
        return next((version for version in reversed(same) if not self.lost(version)), None)

    def lost(self, version: Version) -> str:
        """Why nothing can be loaded from where a version's files should lie; empty where they are there."""
        from mlflow.exceptions import MlflowException

        if not version.run_id:
            return ""
        with _said(self.uri, f"looking for the files of {version.spec}"):
            try:
                run = self._client.get_run(version.run_id)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return f"its run {version.run_id} was deleted for good"
                raise
            if run.info.lifecycle_stage != "active":
                return f"its run {version.run_id} was deleted, and `mlflow gc` removes its files: restore the run"
            if not self._client.list_artifacts(version.run_id, ARTIFACT_PATH):
                return f"there are no files of it at {masked(version.source)}"
        return ""

    def versions(self, name: str) -> list[Version]:
        """The model's versions, newest first; none when there is no such model."""
        found: list[Version] = []
        pointing = self.aliases(name)  # MLflow's search leaves them out
        token = None
        with _said(self.uri, f"listing the versions of {name}"):
            while True:
                page = self._client.search_model_versions(f"name='{name}'", max_results=1000, page_token=token)
                found += [_version(entity, pointing) for entity in page]
                token = page.token
                if not token:
                    return sorted(found, key=lambda version: -version.version)

    def aliases(self, name: str) -> dict[str, int]:
        """The model's aliases and the version each points at; none when there is no such model."""
        from mlflow.exceptions import MlflowException

        with _said(self.uri, f"listing the aliases of {name}"):
            try:
                model = self._client.get_registered_model(name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
            return {alias: int(version) for alias, version in sorted(model.aliases.items())}

    def resolve(self, spec: str) -> Version:
        """The version that ``name@alias``, ``name/3``, or either after ``models:/`` stands for.

        Raises:
            UserError: it is none of these, or there is no such model, alias or version; then it lists what there is.
        """
        match = re.fullmatch(r"(?:models:/)?(?P<name>[^/@:]+)(?:@(?P<alias>[^/@:]+)|/(?P<version>\d+))", spec.strip())
        if not match:
            raise UserError(
                f"{spec!r} names no model version: write NAME@ALIAS or NAME/NUMBER, such as churn@champion "
                "or churn/3. A version is never called latest."
            )
        name, alias = match["name"], match["alias"]
        aliases = self.aliases(name) if alias else {}
        number = aliases.get(alias) if alias else int(match["version"])
        for version in self.versions(name):
            if version.version == number:
                return version
        raise UserError(self._missing(name, alias, number, aliases))

    def _missing(self, name: str, alias: str | None, number: int | None, aliases: Mapping[str, int]) -> str:
        versions = self.versions(name)
        if not versions:
            with _said(self.uri, "listing its models"):
                models = ", ".join(
                    sorted(model.name for model in self._client.search_registered_models(max_results=20))
                )
            return f"{masked(self.uri)} has no versions of the model {name!r}; its models: {models or 'none yet'}."
        numbers = ", ".join(str(version.version) for version in versions[:20])
        if alias and number is None:
            those = ", ".join(f"{known} (version {at})" for known, at in aliases.items())
            return (
                f"the model {name!r} has no alias {alias!r}; its aliases: {those or 'none'}; its versions: {numbers}."
            )
        return f"the model {name!r} has no version {number}; its versions: {numbers}."

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point ``alias`` at ``version``, wherever it pointed before."""
        with _said(self.uri, f"setting {name}@{alias} to version {version}"):
            self._client.set_registered_model_alias(name, alias, str(version))

    def set_tag(self, version: Version, key: str, value: object) -> None:
        """Set a tag on a version. The content's own tag is not for changing."""
        assert key != CONTENT
        with _said(self.uri, f"tagging {version.spec}"):
            self._client.set_model_version_tag(version.name, str(version.version), key, str(value))

    def attach(self, version: Version, texts: Mapping[str, str]) -> None:
        """Put texts beside a version's folder, among its run's artifacts, in the place of earlier ones of that name.

        Raises:
            UserError: the storage refuses, or the version has no run.
        """
        assert not any(name.partition("/")[0] == ARTIFACT_PATH for name in texts), "a version never changes"
        if not version.run_id:
            raise UserError(f"{version.spec} has no run to keep {', '.join(texts)} with: `slipway register` makes one.")
        with _said(self.uri, f"writing {', '.join(texts)} beside {version.spec}"):
            for name, text in texts.items():
                self._client.log_text(version.run_id, text, name)

    def attached(self, version: Version, name: str) -> str | None:
        """A text that :meth:`attach` put there; None when there is none of that name."""
        with _said(self.uri, f"reading {name} beside {version.spec}"), tempfile.TemporaryDirectory() as folder:
            from mlflow.artifacts import download_artifacts

            there = self._client.list_artifacts(version.run_id, name.rpartition("/")[0]) if version.run_id else []
            if name not in {entry.path for entry in there}:
                return None
            fetched = download_artifacts(
                run_id=version.run_id, artifact_path=name, dst_path=folder, tracking_uri=self.uri
            )
            return Path(fetched).read_text(encoding="utf-8")

    def run_values(self, version: Version) -> tuple[dict[str, str], dict[str, float]]:
        """The params and the metrics of the version's run."""
        with _said(self.uri, f"reading the run of {version.spec}"):
            data = self._client.get_run(version.run_id).data
            return dict(data.params), dict(data.metrics)

    def download(self, version: Version, to: Path) -> Path:
        """Bring a version's folder to ``to``, whole or not at all, and return ``to``.

        Nothing is fetched when ``to`` holds these files already. What was fetched is checked against the hash that was
        registered.

        Raises:
            UserError: the storage refuses or has lost the files, they are not those that were registered, or ``to``
                holds something that is not a model.
        """
        content = version.tags.get(CONTENT)
        if to.exists() and not to.is_dir():
            raise UserError(f"{to} is a file: name a folder for {version.spec}.")
        if to.is_dir() and any(to.iterdir()):
            if content and content_sha256(to) == content:
                return to
            if not any((to / mark).is_file() for mark in ("metadata.json", "MLmodel")):
                raise UserError(f"{to} holds something that is not a model: name another folder for {version.spec}.")
        with whole_folder(to, "*") as partial:
            with _said(self.uri, f"downloading {version.spec}"):
                from mlflow.artifacts import download_artifacts

                at = self._client.get_model_version_download_uri(version.name, str(version.version))
                fetched = Path(download_artifacts(artifact_uri=at, dst_path=str(partial), tracking_uri=self.uri))
            if not fetched.is_dir() or not any(fetched.iterdir()):
                raise UserError(f"the storage has no files for {version.spec} at {at}: register the model again.")
            if fetched != partial:
                for child in list(fetched.iterdir()):
                    child.rename(partial / child.name)
                fetched.rmdir()
            if content and content_sha256(partial) != content:
                raise UserError(
                    f"the files of {version.spec} at {at} are not those that were registered ({CONTENT} {content}): "
                    "somebody changed the storage; register the model again."
                )
        return to

    def storage_uri(self, version: Version, models: str | None = None) -> str:
        """The immutable address of a version's folder, for who reads it without MLflow: s3://…, gs://…, file://….

        Args:
            version: a version of this registry.
            models: what the MLflow server's --artifacts-destination says, which the server does not tell its clients;
                default: storage.models of slipway.yaml.

        Raises:
            UserError: the address has no known scheme, or slipway.yaml does not say where models are.
        """
        with _said(self.uri, f"asking where {version.spec} is stored"):
            at = self._client.get_model_version_download_uri(version.name, str(version.version)).rstrip("/")
        parts = urlsplit(at)
        if parts.scheme == "mlflow-artifacts":
            root = (models or load_names().storage.models).rstrip("/")
            if "://" not in root:
                raise UserError(f"{NAMES_FILE}: storage.models: is {root!r}; write the bucket's address, s3://….")
            return f"{root}/{parts.path.lstrip('/')}"
        if parts.scheme in ("s3", "gs", "abfss", "wasbs"):
            return at
        if parts.scheme in ("", "file"):
            return Path(unquote(parts.path)).absolute().as_uri()
        raise UserError(f"{version.spec} is stored at {masked(at)}, an address that a model server cannot read.")


def _version(entity: Any, pointing: Mapping[str, int]) -> Version:
    return Version(
        name=entity.name,
        version=int(entity.version),
        source=entity.source,
        run_id=entity.run_id or "",
        registered_at=datetime.fromtimestamp(entity.creation_timestamp // 1000, UTC).isoformat(),
        tags=dict(entity.tags),
        aliases=tuple(alias for alias, at in pointing.items() if at == int(entity.version)),
    )


def _import_mlflow() -> Any:
    """MLflow, without what it imports only to be able to log it.

    Every verb is a process, and pandas and SciPy are a fifth of the seconds that ``import mlflow`` takes. Whoever has
    imported them before keeps them, and whoever needs them later still gets them.
    """
    if "mlflow" in sys.modules:
        import mlflow

        return mlflow
    hidden = [name for name in _UNUSED_IMPORTS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import mlflow
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
    return mlflow


def _touch_database(uri: str) -> None:
    """Connect once: MLflow itself would try for a minute and a half before it says that it cannot."""
    try:
        import sqlalchemy
    except ImportError:
        raise UserError(
            f"this MLflow speaks to servers only and cannot open {masked(uri)}: set MLFLOW_TRACKING_URI to "
            "http://HOST:PORT, or install mlflow instead of mlflow-skinny."
        ) from None
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA schema_version" if uri.startswith("sqlite:") else "SELECT 1").fetchall()
    finally:
        engine.dispose()


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """On SQLite, one process at a time: MLflow makes a new database's tables without a lock. Servers see to it.

    The lock is on the database's folder, so that no lock file stays; it goes with the process that holds it.
    """
    if not uri.startswith("sqlite:"):
        yield
        return
    import fcntl

    folder = os.open(Path(uri.removeprefix("sqlite:///")).parent, os.O_RDONLY)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UserError(
                        f"another process has been writing to {uri} for {LOCK_SECONDS} s: wait for it, and try again."
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(folder)


@contextmanager
def _said(uri: str, doing: str) -> Iterator[None]:
    """Turn whatever MLflow, HTTP, the database or the storage raises into one sentence."""
    try:
        yield
    except (UserError, AssertionError):
        raise
    except Exception as error:
        sentence = _sentence(uri, doing, error)
        raise (UnavailableError if _away(error) else UserError)(sentence) from error


@contextmanager
def _suppressed() -> Iterator[None]:
    try:
        yield
    except Exception:
        return


def _sentence(uri: str, doing: str, error: Exception) -> str:
    where = f"MLflow at {masked(uri)}"
    # SQLAlchemy adds the statement and a link; neither says what to do.
    reason = masked(" ".join(re.split(r"\[SQL:|\(Background on", str(error))[0].split()))
    code = getattr(error, "error_code", "")
    answered = re.findall(r"\b(40[134]) ", reason)  # "… failed with error code 403 …", "403 Client Error: …"
    if code == "UNAUTHENTICATED" or "401" in answered:
        return (
            f"{where} refuses your credentials ({doing}): set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "or MLFLOW_TRACKING_TOKEN."
        )
    if "Invalid Host header" in reason:
        host = urlsplit(uri).netloc.rpartition("@")[2]
        return f"{where} does not know itself by that name: start it with --allowed-hosts that includes {host}."
    if code == "PERMISSION_DENIED" or "403" in answered:
        return f"{where} does not allow this ({doing}): ask for the permission, or use another user ({reason})."
    if failed := re.search(r"too many (5\d\d) error responses|Connection aborted", reason):
        # It may hang up instead of answering: an upload it cannot store is not read to its end.
        does = f"answers {failed[1]}" if failed[1] else "hangs up"
        behind = "the storage behind it" if "mlflow-artifacts" in reason else "the database behind it"
        return f"{where} {does} ({doing}): {behind} may be down or refuse it; the server's log says."
    if "failed with exception" in reason or "failed with timeout" in reason:
        return (
            f"{where} does not answer ({doing}): is it running, and is MLFLOW_TRACKING_URI right? {_last_words(reason)}"
        )
    if code == "ENDPOINT_NOT_FOUND" or "404" in answered or "valid JSON" in reason:
        return f"what answers at {masked(uri)} is not MLflow ({doing}): is MLFLOW_TRACKING_URI right?"
    return f"{where} failed ({doing}): {reason[:600].rstrip('.')}."


def _away(error: Exception) -> bool:
    """Whether MLflow, its database or its storage does not answer now, rather than refuse."""
    return bool(re.search(_AWAY, str(error)))


def _last_words(reason: str) -> str:
    """The innermost reason of urllib3's nested ones."""
    words = re.findall(r"Connection refused|timed out|Name or service not known|SSL: \w+", reason)
    return f"({words[-1]})" if words else f"({reason[-200:]})"
