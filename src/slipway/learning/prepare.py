"""Turn the data into matrices, one a part, and describe it.

  prepare                 the data that problem.py names → data/prepared/*.npy and reports/data.json

Every part is checked against the schema first; one bad part and nothing is written. Rows without an answer are
described and left out of the matrices. reports/data.json counts what is in each part, column by column, in fixed
buckets: small enough for Git, so that a pull request can show what changed in the data without fetching it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slipway.errors import UserError
from slipway.files import whole_folder, write_json
from slipway.learning.check import DATA, part_files, part_of, read_part
from slipway.learning.describe import describe, described_schema, in_words
from slipway.learning.matrices import INDEX, PREPARED, ids_path
from slipway.learning.provenance import PREPARE, code_sha256
from slipway.model.problem import PROBLEM
from slipway.problem import ByTime, Grouped, Random, Ranking
from slipway.problem.features import encode
from slipway.stretches import gaps_in_words

DATA_REPORT = Path("reports/data.json")
SAMPLE = "sample.json"
SAMPLE_ROWS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway prepare`."""
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=PREPARED, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--report", type=Path, default=DATA_REPORT, metavar="FILE", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Prepare every part."""
    schema = PROBLEM.schema_json()
    description: dict[str, Any] = {**described_schema(), "parts": {}}
    index: dict[str, Any] = {
        "features": list(PROBLEM.feature_names),
        "code": code_sha256(PREPARE),
        "data_md5": data_md5(args.data),
        "ids": list(ids_of()),
        "parts": [],
    }
    groups: dict[Any, Path] = {}
    newest = Newest()
    with whole_folder(args.out, INDEX) as folder:
        for path in part_files(args.data):
            name = part_of(path)
            frame, answers = in_order(path)
            if isinstance(PROBLEM.task, Ranking):
                _check_groups(groups, frame[PROBLEM.task.group].unique(), path)
            newest.see(path, frame, answers)
            description["parts"][name] = describe(frame, answers)
            answered = ~np.isnan(answers)
            matrix = np.asfortranarray(np.column_stack([encode(frame, schema)[answered], answers[answered]]))
            np.save(folder / f"{name}.npy", matrix, allow_pickle=False)
            if ids := ids_of():
                columns = [_ids(id_, frame[answered]) for id_ in ids]
                np.save(
                    ids_path(folder / f"{name}.npy"), np.asfortranarray(np.column_stack(columns)), allow_pickle=False
                )
            index["parts"].append({"part": name, "rows": len(matrix)})
            print(
                f"{name}  {len(frame):>6,} {PROBLEM.name.many}, {len(matrix):>6,} with an answer, "
                f"{in_words(description['parts'][name])}"
            )
        newest.check()
        if lacking := gaps_in_words(list(description["parts"])):
            print(lacking)
        write_json(folder / INDEX, index)
        write_json(folder / SAMPLE, sample(frame[answered]))
        write_json(args.report, description)


def in_order(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """A part's checked rows as its matrix has them, a ranking's groups together, and their answers, shape (rows,)."""
    frame = read_part(path)
    if isinstance(PROBLEM.task, Ranking):
        frame = frame.sort_values(PROBLEM.task.group, kind="stable", ignore_index=True)
    return frame, PROBLEM.answers(frame)


class Newest:
    """Which rows are too new to have an answer: those of the last ``known_after`` days before the newest one."""

    def __init__(self) -> None:
        self.day: pd.Timestamp | None = None
        self.answered: tuple[pd.Timestamp, Path] | None = None

    def see(self, path: Path, frame: pd.DataFrame, answers: np.ndarray) -> None:
        """Take note of a part's newest row, and of its newest one with an answer."""
        if not PROBLEM.known_after:
            return
        days = frame[PROBLEM.parts.date]
        self.day = days.max() if self.day is None else max(self.day, days.max())
        last = days[~np.isnan(answers)].max()
        if self.answered is None or last > self.answered[0]:
            self.answered = last, path

    def check(self) -> None:
        """See that no answer stands there before it can be known.

        Raises:
            UserError: one does; it can only mean "not yet".
        """
        if self.day is None or self.answered is None:
            return
        last, path = self.answered
        border = self.day - pd.Timedelta(days=PROBLEM.known_after)
        if last > border:
            raise UserError(
                f"{path}: rows of {last:%Y-%m-%d} have an answer, which is known only {PROBLEM.known_after} days "
                f"later, and the newest row is of {self.day:%Y-%m-%d}: what only means “not yet” must be empty (NaN in "
                f"a function) in rows after {border:%Y-%m-%d}, or correct known_after in src/slipway/model/problem.py."
            )


def ids_of() -> tuple[str, ...]:
    """Which of :data:`slipway.learning.matrices.IDS` the problem has."""
    return tuple(
        name
        for name, there in (
            ("unit", bool(PROBLEM.drawn_by)),
            ("group", isinstance(PROBLEM.task, Ranking)),
            ("draw", not isinstance(PROBLEM.split, ByTime)),
        )
        if there
    )


def _ids(name: str, frame: pd.DataFrame) -> np.ndarray:
    """One of the ids of a part's rows: uint32, shape (rows,)."""
    if name == "unit":
        return hashed(written(frame, [PROBLEM.drawn_by]))
    if name == "group":
        assert isinstance(PROBLEM.task, Ranking)
        return frame[PROBLEM.task.group].factorize()[0].astype(np.uint32)
    split = PROBLEM.split
    assert isinstance(split, Random | Grouped)
    by = [split.column] if isinstance(split, Grouped) else list(PROBLEM.key) or [c.name for c in PROBLEM.columns]
    return hashed(written(frame, by), str(split.seed))


def hashed(texts: pd.Series, salt: str = "") -> np.ndarray:
    """A number from 0 to 2³² − 1 for each text, evenly spread and the same everywhere: uint32, shape (rows,)."""
    codes, distinct = texts.factorize()
    key = salt.encode()
    numbers = [hashlib.blake2b(text.encode(), digest_size=4, key=key).digest() for text in distinct]
    return np.frombuffer(b"".join(numbers), dtype="<u4").astype(np.uint32)[codes]


def written(frame: pd.DataFrame, columns: list[str]) -> pd.Series:
    """The values of some columns as one text for each row."""
    texts = []
    for name in columns:
        values = frame[name]
        if PROBLEM.column[name].kind == "date":
            values = values.dt.strftime("%Y-%m-%d")
        texts.append(values.astype(object).where(values.notna(), "").map(str))
    whole = texts[0]
    for text in texts[1:]:
        whole = whole + "\x1f" + text
    return whole


def _check_groups(seen: dict[Any, Path], groups: Iterable[Any], path: Path) -> None:
    for group in groups:
        if group in seen:
            raise UserError(f"{path}: group {group} stands in {seen[group]} as well: keep a group's rows in one file.")
        seen[group] = path


def data_md5(folder: Path, ignored: str = "") -> str:
    """DVC's address of a folder's content, from the content itself: what its .dvc file says once it is added.

    DVC 3 lists a folder's files by path and MD5 as JSON, and takes the MD5 of that. What lies in a folder named
    ``ignored`` is left out, as .dvcignore has it for code.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and ignored not in path.parts)
    listing = [
        {
            "md5": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(),
            "relpath": path.relative_to(folder).as_posix(),
        }
        for path in files
    ]
    text = json.dumps(listing, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def sample(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Evenly spaced rows as a client would send them: the inputs only, None where nothing is known."""
    names = [column.name for column in PROBLEM.inputs]
    return as_rows(frame.iloc[np.unique(np.linspace(0, len(frame) - 1, SAMPLE_ROWS).astype(int))][names])


def as_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Checked rows as a client would send them, None where nothing is known."""
    sent = frame.copy()
    for column in sent.select_dtypes("datetime"):
        sent[column] = sent[column].dt.strftime("%Y-%m-%d")
    rows: list[dict[str, Any]] = json.loads(sent.to_json(orient="records", double_precision=10))
    return rows
