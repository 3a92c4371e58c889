"""Turn data/flights into matrices, one a month, and describe the data.

  prepare                 data/flights/*.csv → data/prepared/*.npy and reports/data.json

Every month is checked against the schema first; one bad month and nothing is written. Cancelled and diverted flights
have no answer and are left out of the matrices. reports/data.json counts what is in each month, column by column, in
fixed buckets: small enough for Git, so that a pull request can show what changed in the data without fetching it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slipway.files import whole_folder, write_json
from slipway.learning.check import month_files, month_of, read_month
from slipway.learning.matrices import INDEX, PREPARED
from slipway.learning.provenance import PREPARE, code_sha256
from slipway.model.features import NAMES, answer, encode, inputs
from slipway.model.schema import COLUMNS, drift_edges
from slipway.stretches import gaps_in_words

DATA_REPORT = Path("reports/data.json")
SAMPLE = "sample.json"
SAMPLE_ROWS = 200
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway prepare`."""
    parser.add_argument("--data", type=Path, default=Path("data/flights"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=PREPARED, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--report", type=Path, default=DATA_REPORT, metavar="FILE", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Prepare every month."""
    description: dict[str, Any] = {"columns": {c.name: c.expectation() for c in COLUMNS}, "months": {}}
    index: dict[str, Any] = {
        "features": list(NAMES),
        "code": code_sha256(PREPARE),
        "data_md5": data_md5(args.data),
        "months": [],
    }
    with whole_folder(args.out, INDEX) as folder:
        for path in month_files(args.data):
            month = month_of(path)
            frame = read_month(path)
            description["months"][month] = describe(frame)
            late = answer(frame)
            answered = ~np.isnan(late)
            matrix = np.asfortranarray(np.column_stack([encode(frame)[answered], late[answered]]))
            np.save(folder / f"{month}.npy", matrix, allow_pickle=False)
            days = np.unique(frame["date"].to_numpy()[answered], return_counts=True)[1]
            index["months"].append({"month": month, "rows": len(matrix), "days": days.tolist()})
            print(
                f"{month}  {len(frame):>6,} flights, {len(matrix):>6,} with an answer, {late[answered].mean():.1%} late"
            )
        if lacking := gaps_in_words(list(description["months"])):
            print(lacking)
        write_json(folder / INDEX, index)
        write_json(folder / SAMPLE, sample(frame[answered]))
        write_json(args.report, description)


def data_md5(folder: Path, ignored: str = "") -> str:
    """DVC's address of a folder's content, from the content itself: what data/flights.dvc says once it is added.

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


def describe(frame: pd.DataFrame) -> dict[str, Any]:
    """What a month holds: rows, answers, and for every input column the missing values and the counts of its buckets.

    Numeric columns are counted between :func:`slipway.model.schema.drift_edges`, categories by name, dates by weekday.
    """
    late = answer(frame)
    columns = {}
    for column in inputs():
        values = frame[column.name]
        if column.kind == "category":
            counts = values.value_counts(sort=False)
            buckets = {str(name): int(count) for name, count in counts.items() if count}
        elif column.kind == "date":
            counted = np.bincount(values.dt.weekday, minlength=len(WEEKDAYS))
            buckets = dict(zip(WEEKDAYS, map(int, counted), strict=True))
        else:
            edges = drift_edges(column)
            held = np.bincount(
                np.searchsorted(edges, values.dropna().to_numpy(dtype=float), side="right"),
                minlength=len(edges) + 1,
            )
            buckets = {str(position): int(count) for position, count in enumerate(held) if count}
        columns[column.name] = {"missing": int(values.isna().sum()), "buckets": buckets}
    return {
        "rows": len(frame),
        "answered": int((~np.isnan(late)).sum()),
        "late": int(np.nansum(late)),
        "columns": columns,
    }


def sample(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Evenly spaced rows as a client would send them: the inputs only, None where nothing is known."""
    names = [column.name for column in inputs()]
    return as_rows(frame.iloc[np.unique(np.linspace(0, len(frame) - 1, SAMPLE_ROWS).astype(int))][names])


def as_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Checked rows as a client would send them, None where nothing is known."""
    written = frame.copy()
    for column in written.select_dtypes("datetime"):
        written[column] = written[column].dt.strftime("%Y-%m-%d")
    rows: list[dict[str, Any]] = json.loads(written.to_json(orient="records", double_precision=10))
    return rows
