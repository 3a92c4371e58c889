"""`slipway prepare`: matrices, a description of the data, and a sample of requests."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from slipway.__main__ import main
from slipway.learning.check import read_part
from slipway.learning.prepare import sample
from slipway.model.problem import PROBLEM
from tests.sample import NAMES, describe, inputs


def digests(folder: Path) -> dict[str, str]:
    """What is in every file of a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_new_month_adds_a_file_and_touches_no_other(workspace: Path, small_months: Path) -> None:
    before = digests(workspace / "data/prepared")
    report = json.loads((workspace / "reports/data.json").read_text())
    shutil.copy(small_months / "2013-06.csv", workspace / "data/flights")
    assert main(["prepare"]) == 0
    after = digests(workspace / "data/prepared")
    months = {name for name in before if name.endswith(".npy")}
    added = {"2013-06.npy", "2013-06.ids.npy"}
    assert {name for name in after if name.endswith(".npy")} == months | added
    assert {name: after[name] for name in months} == {name: before[name] for name in months}
    now = json.loads((workspace / "reports/data.json").read_text())
    assert {name: now["parts"][name] for name in report["parts"]} == report["parts"]


def test_twice_the_same_data_gives_the_same_bytes(workspace: Path) -> None:
    before = digests(workspace / "data/prepared")
    described = (workspace / "reports/data.json").read_bytes()
    assert main(["prepare"]) == 0
    assert digests(workspace / "data/prepared") == before
    assert (workspace / "reports/data.json").read_bytes() == described


def test_one_bad_month_and_nothing_is_written(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(workspace / "data/prepared")
    described = (workspace / "reports/data.json").read_bytes()
    last = workspace / "data/flights/2013-05.csv"
    last.write_text(last.read_text().replace(",LGA,", ",LAG,", 1))
    assert main(["prepare"]) == 2
    assert "column origin" in capsys.readouterr().err
    assert digests(workspace / "data/prepared") == before
    assert (workspace / "reports/data.json").read_bytes() == described
    assert [path.name for path in (workspace / "data").iterdir() if path.name.startswith(".")] == []


def test_the_matrix_holds_the_answered_flights(workspace: Path) -> None:
    frame = read_part(workspace / "data/flights/2013-02.csv")
    matrix = np.load(workspace / "data/prepared/2013-02.npy", allow_pickle=False)
    arrived = frame["arr_delay"].notna().to_numpy()
    assert (~arrived).sum() > 0
    assert matrix.shape == (arrived.sum(), len(NAMES) + 1)
    assert matrix.dtype == np.float32
    assert matrix.flags.f_contiguous
    np.testing.assert_array_equal(matrix[:, -1], (frame["arr_delay"][arrived] >= 15).to_numpy(dtype=np.float32))


def test_the_description_counts_every_row_of_every_input(workspace: Path) -> None:
    described = json.loads((workspace / "reports/data.json").read_text())
    assert list(described["parts"]) == [f"2013-0{number}" for number in range(1, 6)]
    for month in described["parts"].values():
        assert set(month["columns"]) == {column.name for column in inputs()}
        for column in month["columns"].values():
            assert column["missing"] + sum(column["buckets"].values()) == month["rows"]
        assert 0 < month["mean"] < 1 and month["answered"] < month["rows"]
        assert month["answer"]["missing"] + sum(month["answer"]["buckets"].values()) == month["rows"]


def test_the_description_is_of_the_values(workspace: Path) -> None:
    frame = read_part(workspace / "data/flights/2013-03.csv")
    found = describe(frame)
    assert found["columns"]["origin"]["buckets"] == frame["origin"].value_counts().to_dict()
    assert found["columns"]["date"]["buckets"]["Mon"] == (frame["date"].dt.weekday == 0).sum()
    assert found["columns"]["wind_gust"]["missing"] == frame["wind_gust"].isna().sum() > 0
    freezing = frame["temp"].between(28, 36.5, inclusive="left").sum()  # -40 to 130 in twenty equal parts: the ninth
    bucket = str(PROBLEM.column["temp"].drift_edges().index(28.0) + 1)
    assert found["columns"]["temp"]["buckets"][bucket] == freezing


def test_the_sample_is_what_a_client_would_send(workspace: Path) -> None:
    rows = sample(read_part(workspace / "data/flights/2013-02.csv"))
    assert len(rows) == 200
    assert all(list(row) == [column.name for column in inputs()] for row in rows)
    assert any(value is None for row in rows for value in row.values())
    json.dumps(rows, allow_nan=False)
    assert rows[0]["date"] == "2013-02-01" and rows[-1]["date"] == "2013-02-28"
