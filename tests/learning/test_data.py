"""`slipway data`: the sample's bytes, and the check people run before they push."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from slipway.__main__ import main

MD5 = {
    "2013-01": "346e98dde029a6f816561b6d9a785a14",
    "2013-02": "3f273dee2274d0edbca5b0150fa4e072",
    "2013-03": "4067c3b1e483ae27c2488f3be6596c08",
    "2013-04": "e86de4914415c95fd70944276f494569",
    "2013-05": "9e8942b9b3129615e9be27f35ebb030f",
    "2013-06": "07b9af4676e86978c66ad9a8084fcc1f",
}


def test_every_month_has_the_same_bytes_on_every_machine(full_months: Path) -> None:
    made = {path.stem: hashlib.md5(path.read_bytes()).hexdigest() for path in full_months.glob("*.csv")}  # noqa: S324
    assert made == MD5


def test_the_months_are_the_real_flights_with_their_weather(full_months: Path) -> None:
    january = pd.read_csv(full_months / "2013-01.csv")
    assert len(january) == 27_004
    first = january.iloc[0]
    assert (first["date"], first["carrier"], first["flight"], first["origin"], first["dest"]) == (
        "2013-01-01", "UA", 1545, "EWR", "IAH",
    )  # fmt: skip
    assert january["temp"].notna().mean() > 0.99
    assert january["arr_delay"].isna().sum() == 606  # cancelled or diverted


def test_the_impossible_wind_of_february_is_left_empty(full_months: Path) -> None:
    assert pd.read_csv(full_months / "2013-02.csv")["wind_speed"].max() < 100


def test_a_month_the_sample_does_not_have_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "make", "--parts", "2014-01", "--out", str(tmp_path)]) == 2
    assert "2013-01 to 2013-12, not '2014-01'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_check_takes_every_month_and_names_the_first_fault(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check"]) == 0
    said = capsys.readouterr().out
    assert said.count("as the schema says") == 5
    path = workspace / "data/flights/2013-03.csv"
    path.write_text(path.read_text().replace(",EWR,", ",EWK,", 1))
    assert main(["data", "check"]) == 2
    said = capsys.readouterr().err
    assert "2013-03.csv" in said and "column origin" in said and "'EWK'" in said


def test_a_gap_in_the_months_is_said(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/flights/2013-03.csv").unlink()
    said = "There is a gap between 2013-01 and 2013-05: no 2013-03."
    assert main(["data", "check"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"data/flights  {said}"
    assert main(["prepare"]) == 0
    assert said in capsys.readouterr().out.splitlines()
    assert main(["train", "--final", "--rounds", "2", "--out", "models/gap"]) == 0
    assert "trained on 2013-01 to 2013-02, 2013-04" in capsys.readouterr().out
    metadata = json.loads(Path("models/gap/metadata.json").read_text())
    assert metadata["trained_on"] == ["2013-01", "2013-02", "2013-04"] and metadata["gaps"] == ["2013-03"]


def test_check_takes_single_files(small_months: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(small_months / "2013-06.csv")]) == 0
    assert capsys.readouterr().out.count("\n") == 1
