"""How the data lies in files: a month, an ISO week or a day each, or one file for all."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from slipway.errors import UserError
from slipway.problem.declared import refuse

FORMATS = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True)
class _Dated:
    """A file for each stretch of time.

    Args:
        folder: where the files lie, from the repository's root; what DVC tracks.
        pattern: a file's name, with the stretch in braces: ``"{month}.csv"``. Ends in .csv, .csv.gz or .parquet.
        date: the column that says of which day a row is; it must lie in the file's stretch.
    """

    folder: str
    pattern: str
    date: str
    word: ClassVar[str]
    words: ClassVar[str]
    written: ClassVar[str]
    expression: ClassVar[str]
    example: ClassVar[str]

    def __post_init__(self) -> None:
        _check(self.folder, self.pattern)
        if self.pattern.count("{") != 1 or self.pattern.count("}") != 1 or f"{{{self.word}}}" not in self.pattern:
            raise refuse("parts", f"the pattern is {self.pattern!r}, expected {{{self.word}}} in it, once")

    def name(self, path: Path) -> str:
        """The part that a file holds: 2024-03, 2024-W11, 2024-03-14. Their order as text is that of time.

        Raises:
            UserError: the file is not named as ``pattern`` says.
        """
        name = self._part_in(path.name)
        if not name:
            raise UserError(f"{path}: {self.naming()}; rename or remove it.")
        return name

    def matches(self, file: str) -> bool:
        """Whether a file's name is that of a part."""
        return bool(self._part_in(file))

    def naming(self) -> str:
        """How files are named, for people."""
        shown, example = (self.pattern.replace(f"{{{self.word}}}", text) for text in (self.written, self.example))
        return f"a {self.word}'s file is named {shown}, for example {example}"

    def _part_in(self, file: str) -> str:
        before, after = map(re.escape, self.pattern.split(f"{{{self.word}}}"))
        found = re.fullmatch(f"{before}({self.expression}){after}", file, re.ASCII)
        try:
            if found:
                self.span(found[1])
                return found[1]
        except ValueError:  # week 53 of a year that has 52, the 30th of February
            pass
        return ""

    def file(self, name: str) -> Path:
        """Where a part lies."""
        return Path(self.folder, self.pattern.replace(f"{{{self.word}}}", name))

    def span(self, name: str) -> tuple[dt.date, dt.date]:
        """The first day of a part, and the first one after it.

        Raises:
            ValueError: there is no such stretch of time.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Monthly(_Dated):
    """A file for each month: ``Monthly("data/rides", "{month}.csv", date="day")``."""

    word, words, written, example = "month", "months", "YYYY-MM", "2024-03"
    expression = r"\d{4}-\d\d"

    def span(self, name: str) -> tuple[dt.date, dt.date]:
        """See :meth:`_Dated.span`."""
        first = dt.date.fromisoformat(f"{name}-01")
        return first, dt.date(first.year + first.month // 12, first.month % 12 + 1, 1)


@dataclass(frozen=True)
class Weekly(_Dated):
    """A file for each ISO week, Monday to Sunday: ``Weekly("data/rides", "{week}.parquet", date="day")``."""

    word, words, written, example = "week", "weeks", "YYYY-Www", "2024-W11"
    expression = r"\d{4}-W\d\d"

    def span(self, name: str) -> tuple[dt.date, dt.date]:
        """See :meth:`_Dated.span`."""
        first = dt.date.fromisocalendar(int(name[:4]), int(name[6:]), 1)
        return first, first + dt.timedelta(days=7)


@dataclass(frozen=True)
class Daily(_Dated):
    """A file for each day: ``Daily("data/rides", "{day}.csv.gz", date="day")``."""

    word, words, written, example = "day", "days", "YYYY-MM-DD", "2024-03-14"
    expression = r"\d{4}-\d\d-\d\d"

    def span(self, name: str) -> tuple[dt.date, dt.date]:
        """See :meth:`_Dated.span`."""
        first = dt.date.fromisoformat(name)
        return first, first + dt.timedelta(days=1)


@dataclass(frozen=True)
class One:
    """One file for all: ``One("data/houses", "houses.csv")``. ``date`` names a column of days, where rows have one."""

    folder: str
    pattern: str
    date: str = ""
    word: ClassVar[str] = "file"
    words: ClassVar[str] = "files"

    def __post_init__(self) -> None:
        _check(self.folder, self.pattern)

    def name(self, path: Path) -> str:
        """The part that a file holds: all.

        Raises:
            UserError: it is not the file.
        """
        if not self.matches(path.name):
            raise UserError(f"{path}: {self.naming()}; move what this holds there, or remove it.")
        return _stem(self.pattern)

    def matches(self, file: str) -> bool:
        """Whether a file's name is that of the data."""
        return file == self.pattern

    def naming(self) -> str:
        """How the file is named, for people."""
        return f"all data lies in {self.file('')}"

    def file(self, name: str) -> Path:
        """Where the data lies."""
        return Path(self.folder, self.pattern)

    def span(self, name: str) -> tuple[dt.date, dt.date]:
        """Any day."""
        return dt.date.min, dt.date.max


Parts = Monthly | Weekly | Daily | One


def _check(folder: str, pattern: str) -> None:
    at = Path(folder)
    if at.is_absolute() or ".." in at.parts or len(at.parts) != 2 or at.parts[0] != "data" or str(at) != folder:
        raise refuse("parts", f"the folder is {folder!r}, expected one in data, as data/rides")
    if at.name == "prepared":
        raise refuse("parts", "the folder is data/prepared, where `prepare` writes: name another")
    if not pattern.endswith(FORMATS) or "/" in pattern or not _stem(pattern):
        raise refuse("parts", f"the pattern is {pattern!r}, expected a file's name that ends in {' or '.join(FORMATS)}")


def _stem(name: str) -> str:
    return name.removesuffix(".gz").rpartition(".")[0]
