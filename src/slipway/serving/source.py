"""Where a model comes from: a folder, an S3 prefix, or MLflow's registry."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from slipway.errors import UserError

_DEPTH = 3
_SHOWN = 200


@contextmanager
def fetched(uri: str) -> Iterator[tuple[Path, str]]:
    """The model folder behind ``uri``, for as long as the block runs, and the registry's version of it ("" if unknown).

    Args:
        uri: a folder; ``s3://bucket/prefix`` (credentials and endpoint from AWS_* variables); or MLflow's
            ``models:/name/3`` and ``models:/name@champion`` (server from MLFLOW_TRACKING_URI).

    Raises:
        UserError: it cannot be had, with the reason.
    """
    scheme = uri.partition(":")[0] if ":" in uri else ""
    try:
        urlsplit(uri)
    except ValueError as error:
        raise UserError(f"--model {_short(uri)}: this is no address ({error}).") from None
    with tempfile.TemporaryDirectory(prefix="slipway-model-") as scratch:
        if scheme == "s3":
            _download(uri, Path(scratch))
            yield _model_in(Path(scratch), uri), ""
        elif scheme == "models":
            version = _resolve(uri, Path(scratch))
            yield _model_in(Path(scratch), uri), version
        elif "://" in uri and scheme != "file":
            raise UserError(
                f"--model {uri}: expected a folder, s3://bucket/prefix, models:/name/3 or models:/name@alias."
            )
        else:
            folder = Path(url2pathname(urlsplit(uri).path) if scheme == "file" else uri)
            if not _is_folder(folder):
                raise UserError(f"--model {_short(uri)}: there is no such folder.")
            yield _model_in(folder, uri), ""


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder above that may not be entered
        return False


def _short(uri: str) -> str:
    return uri if len(uri) <= _SHOWN else f"{uri[:_SHOWN]}…"


def _model_in(folder: Path, uri: str) -> Path:
    """The folder that holds ``schema.json``: this one, or the only one some levels below it."""
    for depth in range(_DEPTH + 1):
        found = sorted(folder.glob("*/" * depth + "schema.json"))
        if len(found) == 1:
            return found[0].parent
        if found:
            raise UserError(f"--model {uri}: holds {len(found)} models ({', '.join(map(str, found))}): name one.")
    raise UserError(f"--model {uri}: holds no schema.json, so it is no model folder.")


def _download(uri: str, target: Path) -> None:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    parts = urlsplit(uri)
    prefix = parts.path.strip("/")
    if not parts.netloc or not prefix:
        raise UserError(f"--model {uri}: expected s3://bucket/prefix.")
    try:
        client = boto3.client(
            "s3", config=Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 3})
        )
        files = 0
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=f"{prefix}/"):
            for item in page.get("Contents", []):
                relative = item["Key"].removeprefix(f"{prefix}/")
                if not relative or relative.endswith("/"):
                    continue
                path = (target / relative).resolve()
                if not path.is_relative_to(target.resolve()):
                    raise UserError(f"--model {uri}: the key {item['Key']!r} points outside the model.")
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(parts.netloc, item["Key"], str(path))
                files += 1
    except (NotADirectoryError, IsADirectoryError, FileExistsError):
        raise UserError(
            f"--model {uri}: the key {item['Key']!r} is a file and another key's folder at once; remove one of them."
        ) from None
    except (BotoCoreError, ClientError, ValueError, OSError) as error:
        raise UserError(f"--model {uri}: {' '.join(str(error).split())}") from None
    if not files:
        raise UserError(f"--model {uri}: there is nothing under this prefix.")


def _resolve(uri: str, target: Path) -> str:
    if find_spec("mlflow") is None:
        raise UserError(f"--model {uri}: needs MLflow, which is not installed here; name the model's s3:// prefix.")
    from slipway.registry.registry import open_registry

    try:
        registry = open_registry()
        version = registry.resolve(uri)
        registry.download(version, target / "model")
    except UserError as error:
        raise UserError(f"--model {uri}: {error}") from None
    return str(version.version)
