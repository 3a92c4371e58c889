"""Models to compare: a folder as a repository has it, with made-up months and what was learnt from them."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from slipway.__main__ import main
from slipway.model.schema import CARRIERS, COLUMNS, DESTINATIONS, ORIGINS
from tests.conftest import TEMPLATE, _once
from tests.sample import NAMES

BLIND_TO = "DL"
"""The carrier of which the blind model was taught the opposite."""


def write_month(folder: Path, month: str, rows: int = 1500) -> None:
    """A month of made-up flights that the schema accepts; evenings and some carriers are late more often."""
    rng = np.random.default_rng(int(month.replace("-", "")))
    hours, carriers = rng.integers(5, 23, rows), rng.integers(0, len(CARRIERS), rows)
    chance = 1 / (1 + np.exp(-((hours - 14) * 0.25 + (carriers % 5 - 2) * 0.9 - 0.5)))
    late = rng.random(rows) < chance
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{month}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in COLUMNS], restval="")
        writer.writeheader()
        for i in range(rows):
            writer.writerow(
                {
                    "date": f"{month}-{1 + i % 28:02}",
                    "sched_dep_time": hours[i] * 100 + int(rng.integers(0, 60)),
                    "sched_arr_time": (hours[i] + 1) * 100,
                    "carrier": CARRIERS[carriers[i]],
                    "flight": 1 + i,
                    "origin": ORIGINS[int(rng.integers(0, len(ORIGINS)))],
                    "dest": DESTINATIONS[int(rng.integers(0, len(DESTINATIONS)))],
                    "distance": 100 + int(rng.integers(0, 2000)),
                    "temp": round(float(rng.uniform(10, 90)), 2),
                    "arr_delay": "" if i % 50 == 0 else 40 if late[i] else -5,
                }
            )


@dataclass
class Workshop:
    """A folder with data, parameters and names, as a repository has them, and models in it."""

    folder: Path

    def train(self, name: str, *flags: str) -> Path:
        """A candidate for release: learnt from January to March, with April held out."""
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()):
            assert main(["train", "--final", "--out", f"models/{name}", "--members", "1", *flags]) == 0
        return self.folder / "models" / name


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Four months of 1,500 flights, prepared; models champion (weak), challenger (good) and blind. Read only.

    Blind is good too, but was taught the opposite about one carrier.
    """

    def make(folder: Path) -> None:
        for name in ("params.yaml", "slipway.yaml"):
            (folder / name).write_bytes((TEMPLATE / name).read_bytes())
        for month in ("2013-01", "2013-02", "2013-03", "2013-04"):
            write_month(folder / "data/flights", month)
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
            assert main(["prepare"]) == 0
        shop = Workshop(folder)
        shop.train("champion", "--rounds", "2", "--max_depth", "2")
        shop.train("challenger", "--rounds", "60", "--max_depth", "3")
        flipped = flip(folder / "data/prepared", folder / "data/flipped", BLIND_TO)
        shop.train("blind", "--prepared", str(flipped), "--rounds", "60", "--max_depth", "6", "--min_child_weight", "1")

    return Workshop(_once(tmp_path_factory, "workshop", make))


def flip(prepared: Path, to: Path, carrier: str) -> Path:
    """A copy of prepared months in which one carrier's flights have the opposite answer."""
    shutil.copytree(prepared, to)
    for path in (path for path in to.glob("*.npy") if not path.name.endswith(".ids.npy")):
        matrix = np.load(path)
        here = matrix[:, NAMES.index("carrier")] == CARRIERS.index(carrier)
        matrix[here, -1] = 1 - matrix[here, -1]
        np.save(path, np.asfortranarray(matrix))
    return to
