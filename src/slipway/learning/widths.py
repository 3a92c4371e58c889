"""Has every line of a CSV as many values as its header? What reads tables cuts, fills or shifts one that has not."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from slipway.errors import UserError


def check_widths(path: Path) -> None:
    """See that each line has as many values as the header.

    Raises:
        UserError: one has more or fewer; names the first, what it has, and how many such there are. Or the file is no
            text in UTF-8, or no CSV.
    """
    first, faults = "", 0
    try:
        with _opened(path) as stream:
            rows = csv.reader(stream)
            expected = len(next(rows, []))
            begins = rows.line_num + 1
            for row in rows:
                if len(row) != expected:
                    faults += 1
                    first = first or f"line {begins} has {_values(len(row))}, expected {expected} as on line 1"
                begins = rows.line_num + 1
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 ({error}): save it as UTF-8.") from None
    except csv.Error as error:
        raise UserError(f"{path}, line {begins}: is no line of a CSV ({error}): correct it.") from None
    if faults:
        more = f" ({faults} lines have a fault)" if faults > 1 else ""
        raise UserError(f"{path}: {first}{more}; a value with a comma in it stands in quotes.")


def _values(number: int) -> str:
    return f"{number} value{'' if number == 1 else 's'}" if number else "nothing on it"


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """A file's text, of a gzipped one too, without the mark that some editors begin it with."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as stream:
            yield stream
    else:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
