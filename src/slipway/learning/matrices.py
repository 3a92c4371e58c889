"""The prepared matrices: one file a part, read lazily.

A part is one ``<name>.npy``: float32, shape (rows, features + 1), Fortran order, the answer in the last column. Column
after column compresses well, and a new part adds files and touches no other: that is what keeps an image's data layers
small (docs/architecture.md). Beside it lies ``<name>.ids.npy``, uint32, a column for each name in the index's ``ids``:

``unit``   which rows the gate's bootstrap draws together
``group``  which rows a ranking orders among themselves, counted from 0 in each part; they stand together
``draw``   where a row, or its group, is drawn to: training, validation or hold-out
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from slipway.errors import UserError
from slipway.files import read_json
from slipway.learning.provenance import PREPARE, code_sha256
from slipway.model.problem import PROBLEM

PREPARED = Path("data/prepared")
INDEX = "index.json"
MADE_BY = "python -m slipway prepare"
IDS = ("unit", "group", "draw")
WIDTH = len(PROBLEM.features) + 1


@dataclass(frozen=True)
class Part:
    """One prepared part, or some of its rows; nothing is read until asked for.

    Attributes:
        name: as its file's.
        path: of its matrix.
        total: how many rows the file has.
        ids: the columns of its ids.
        chosen: the positions of the rows that are meant, ascending; None for all.
    """

    name: str
    path: Path
    total: int
    ids: tuple[str, ...] = ()
    chosen: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many rows are meant."""
        return self.total if self.chosen is None else len(self.chosen)

    def load(self) -> np.ndarray:
        """The rows, mapped from the file where all of them are meant: float32, shape (rows, features + 1)."""
        return self._read(self.path, (self.total, WIDTH))

    def id(self, name: str) -> np.ndarray:
        """One of the ids of the rows: uint32, shape (rows,)."""
        return self._read(ids_path(self.path), (self.total, len(self.ids)))[:, self.ids.index(name)]

    def _read(self, path: Path, shape: tuple[int, int]) -> np.ndarray:
        try:
            matrix: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{path} cannot be read ({error}): make it again with `{MADE_BY}`.") from None
        if matrix.shape != shape:
            raise UserError(f"{path} has shape {matrix.shape}, {INDEX} says {shape}: make it again with `{MADE_BY}`.")
        return matrix if self.chosen is None else np.asfortranarray(matrix[self.chosen])


def ids_path(path: Path) -> Path:
    """Where the ids of a matrix lie."""
    return path.with_name(f"{path.stem}.ids.npy")


@dataclass(frozen=True)
class Rows:
    """Some of the prepared rows, part by part in the order of their names."""

    parts: tuple[Part, ...]

    @property
    def names(self) -> list[str]:
        """Their parts' names."""
        return list(dict.fromkeys(part.name for part in self.parts))

    @property
    def rows(self) -> int:
        """How many they are together."""
        return sum(part.rows for part in self.parts)

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def __add__(self, other: Rows) -> Rows:
        """Both; rows of one part stay one part, in the order of its file."""
        found = {part.name: part for part in self.parts}
        for part in other.parts:
            same = found.get(part.name)
            if same is None:
                found[part.name] = part
            else:
                assert same.chosen is not None and part.chosen is not None
                found[part.name] = replace(part, chosen=np.union1d(same.chosen, part.chosen))
        return Rows(tuple(found[name] for name in sorted(found)))

    def features(self) -> np.ndarray:
        """All features in memory: float32, shape (rows, features). For a few parts, not for the whole past."""
        return np.concatenate([np.ascontiguousarray(part.load()[:, :-1]) for part in self.parts])

    def answers(self) -> np.ndarray:
        """All answers: float32, shape (rows,)."""
        return np.concatenate([part.load()[:, -1] for part in self.parts])

    def column(self, name: str) -> np.ndarray:
        """One feature of all rows: float32, shape (rows,)."""
        return np.concatenate([part.load()[:, PROBLEM.feature_names.index(name)] for part in self.parts])

    def units(self) -> np.ndarray:
        """Which rows are drawn together, counted from 0 on: int64, shape (rows,)."""
        if all("unit" in part.ids for part in self.parts):
            found: np.ndarray = np.unique(
                np.concatenate([part.id("unit") for part in self.parts]), return_inverse=True
            )[1]
            return found
        groups = self.groups()
        return np.arange(self.rows) if groups is None else groups

    def groups(self) -> np.ndarray | None:
        """Which rows are ranked among themselves, from 0 on: int64, shape (rows,); None where nothing is ranked."""
        found, start = [], 0
        for part in self.parts:
            if "group" not in part.ids:
                return None
            numbers = np.unique(part.id("group"), return_inverse=True)[1]
            found.append(numbers + start)
            start += int(numbers.max()) + 1 if len(numbers) else 0
        return np.concatenate(found)


def load_parts(folder: Path = PREPARED) -> Rows:
    """The prepared rows.

    Raises:
        UserError: nothing is prepared there, or it was prepared by other code than stands here now.
    """
    index = read_json(folder / INDEX, MADE_BY, "features", "code", "parts", "ids")
    if index["features"] != list(PROBLEM.feature_names):
        raise UserError(
            f"{folder} was prepared for other features than src/slipway/model/features.py has: `{MADE_BY}`."
        )
    if index["code"] != code_sha256(PREPARE):
        raise UserError(f"{folder} was prepared by other code than stands here now: `{MADE_BY}`.")
    ids = tuple(index["ids"])
    return Rows(tuple(Part(part["part"], folder / f"{part['part']}.npy", part["rows"], ids) for part in index["parts"]))
