"""Files that are either whole or not there."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slipway.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as :func:`strict_json`."""
    write_text(path, strict_json(value))


def strict_json(value: Any) -> str:
    """``value`` as indented JSON. NaN and infinities are refused: they are not JSON."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def read_json(path: Path, made_by: str) -> Any:
    """Read JSON from ``path``; ``made_by`` is the command that makes the file.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make it with `{made_by}`.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON ({error}): make it again with `{made_by}`.") from None


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill a new folder, then put it at ``path`` in one move, replacing what stood there.

    Yields the folder to fill. When the block raises, ``path`` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    partial.chmod(0o755)
    try:
        yield partial
        if path.exists():
            retired = partial.with_suffix(".old")
            path.rename(retired)
            partial.rename(path)
            shutil.rmtree(retired)
        else:
            partial.rename(path)
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
