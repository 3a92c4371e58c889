"""The verb `image`: the Dockerfile's data layers follow the data."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from slipway.__main__ import main
from slipway.release.image import BEGIN, END, data_block
from tests.conftest import ROOT, as_the_template

LAYERS_AT_MOST = 127


def months_up_to(last: str, count: int) -> list[str]:
    """``count`` months in a row, the newest of which is ``last``."""
    end = int(last[:4]) * 12 + int(last[5:]) - 1
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(end - count + 1, end + 1)]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the Dockerfile and a report on January to May."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "Dockerfile", ".")
    as_the_template(tmp_path, months_up_to("2013-05", 5))
    describe(months_up_to("2013-05", 5))
    return tmp_path


def describe(months: list[str]) -> None:
    """Write reports/data.json as `prepare` would for these months."""
    Path("reports").mkdir(exist_ok=True)
    Path("reports/data.json").write_text(json.dumps({"parts": {month: {} for month in months}}))


def test_a_new_month_is_one_line_above_all_others(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "--check"]) == 0
    before = Path("Dockerfile").read_text()
    describe(months_up_to("2013-06", 6))
    assert main(["image", "--check"]) == 1
    assert "python -m slipway image" in capsys.readouterr().out
    assert Path("Dockerfile").read_text() == before
    assert main(["image"]) == 0
    assert main(["image", "--check"]) == 0
    after = Path("Dockerfile").read_text()
    assert after == before.replace(END, f"COPY --from=data /layers/2013-06 /\n{END}")


def test_many_years_stay_below_the_limit_of_layers(repository: Path) -> None:
    for count in range(1, 12 * 60):
        assert len(data_block(months_up_to("2043-12", count))) < LAYERS_AT_MOST // 2


@pytest.mark.parametrize("first", [dt.date(2019, 1, 1), dt.date(2004, 2, 29)])
def test_days_and_weeks_stay_below_it_too(first: dt.date) -> None:
    for count in (1, 14, 15, 61, 400, 3000, 8000):
        days = [first + dt.timedelta(days=number) for number in range(count)]
        weeks = [first + dt.timedelta(weeks=number) for number in range(count // 3 + 1)]
        for names in (
            [day.isoformat() for day in days],
            [f"{y}-W{w:02}" for y, w, _ in map(dt.date.isocalendar, weeks)],
        ):
            block = data_block(names)
            assert len(block) < LAYERS_AT_MOST - 16
            held = [name for line in block for name in names if fnmatchcase(name, line.split()[-2][len("/layers/") :])]
            assert held == names


def test_one_file_is_one_layer() -> None:
    assert data_block(["houses"]) == ["COPY --from=data /layers/houses /"]


def test_every_month_is_in_one_layer_and_in_order_of_time(repository: Path) -> None:
    months = months_up_to("2030-07", 12 * 30)
    held = []
    for line in data_block(months):
        name = line.split()[-2].removeprefix("/layers/")
        held += [month for month in months if fnmatchcase(month, name)]
    assert held == months


def test_a_new_month_leaves_every_older_layer_but_once_a_year(repository: Path) -> None:
    for month in range(2, 12):
        newer = data_block(months_up_to(f"2030-{month:02}", 200 + month))
        older = data_block(months_up_to(f"2030-{month - 1:02}", 199 + month))
        assert newer[:-1] == older
    before, after = (data_block(months_up_to(*end)) for end in (("2030-11", 211), ("2030-12", 212)))
    assert set(after) - set(before) == {f"COPY --from=data /layers/{name} /" for name in ("2028*", "2030-12")}


@pytest.mark.parametrize("break_it", [lambda s: s.replace(BEGIN, ""), lambda s: s + f"{END}\n"])
def test_lost_markers_are_a_sentence(repository: Path, break_it, capsys: pytest.CaptureFixture[str]) -> None:
    Path("Dockerfile").write_text(break_it(Path("Dockerfile").read_text()))
    assert main(["image"]) == 2
    assert BEGIN in capsys.readouterr().err


def test_without_a_report_it_says_what_makes_one(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("reports/data.json").unlink()
    assert main(["image"]) == 2
    assert "python -m slipway prepare" in capsys.readouterr().err
