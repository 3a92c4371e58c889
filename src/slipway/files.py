"""Files that are either whole or not there."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from slipway.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old file or the new one, never a part.

    Raises:
        UserError: it cannot be written there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({_reason(error)}): name another file, or make room there."
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as :func:`strict_json`."""
    write_text(path, strict_json(value))


def strict_json(value: Any) -> str:
    """``value`` as indented JSON. NaN and infinities are refused: they are not JSON."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def read_json(path: Path, made_by: str, *keys: str) -> Any:
    """Read JSON from ``path``; ``made_by`` is the command that makes the file, and ``keys`` what it has at its top.

    Raises:
        UserError: the file is missing, is not JSON, or lacks a key.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make it with `{made_by}`.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON ({error}): make it again with `{made_by}`.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({_reason(error)}): `{made_by}` makes such a file.") from None
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise UserError(f"{path} has no {key!r}: make it again with `{made_by}`.")
    return value


def read_yaml(path: Path) -> Any:
    """What a YAML file that lies in Git holds.

    Raises:
        UserError: it is not there, or it is no YAML; Git's own conflict marks are none.
    """
    import yaml  # not above: where GitHub is talked to there is nothing but Python's own library

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path} is not YAML ({said}): correct it, or restore it from Git.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({_reason(error)}): restore it from Git.") from None


def check_replaceable(path: Path, mark: str) -> None:
    """What :func:`whole_folder` asks of ``path``, for those who would learn it too late.

    Raises:
        UserError: something else stands there.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file, so it is not replaced: name another folder.")
    if path.is_dir() and any(path.iterdir()) and not any(path.glob(mark)):
        raise UserError(f"{path} holds something else (no {mark}), so it is not replaced: name another folder.")


@contextmanager
def whole_folder(path: Path, mark: str) -> Iterator[Path]:
    """Fill a new folder, then put it at ``path`` in one move, replacing what stood there.

    Yields the folder to fill. When the block raises, ``path`` is as it was.

    Args:
        path: where it goes.
        mark: a pattern that some file in every such folder matches. What stands at ``path`` and has none is somebody's
            work, and is not replaced.

    Raises:
        UserError: something else stands there, or it cannot be written there.
    """
    check_replaceable(path, mark)
    place = path.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".partial", dir=place.parent))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({_reason(error)}): name another folder.") from None
    partial.chmod(0o755)
    try:
        yield partial
        if place.exists():
            retired = partial.with_suffix(".old")
            place.rename(retired)
            try:
                partial.rename(place)
            except BaseException:  # an interrupt, too
                retired.rename(place)
                raise
            shutil.rmtree(retired)
        else:
            partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def finite(value: float, digits: int = 6) -> float:
    """Round ``value`` for a report.

    Raises:
        UserError: the value is not a finite number.
    """
    if not math.isfinite(value):
        raise UserError(f"a metric came out as {value}, which is not a number: look at the data and the parameters.")
    return round(float(value), digits)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
