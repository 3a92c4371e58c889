"""Time and memory as the data grows: a year of flights, three years, ten.

  python -m benchmarks.growth            0.3, 1 and 3.3 million rows

The years after 2013 are 2013 again under their own dates. `prepare` and a short trial run as processes of their own, in
the train image's packages. Memory is the peak of a process's resident memory above that of an interpreter which has
imported the same libraries, and is held against the size of the matrices that the process writes or reads. Growth is
judged by processor seconds, which busy neighbours change little; the clock's are shown too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import show
from benchmarks.workplace import YEAR, environment, lengthen, repository, train_python

SIZES = (1, 3, 10)
MEMORY_AT_MOST = 2.0
TRIAL = ["--members", "1", "--rounds", "40"]
IMPORTS = {
    "prepare": "import slipway.learning.prepare",
    "train": "import slipway.learning.learners.xgboost as it; it.import_xgboost(); import slipway.learning.train",
}


@dataclass
class Run:
    """What one process took: seconds by the clock, seconds of processor, peak resident bytes."""

    wall: float
    cpu: float
    peak: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs of each size, default: %(default)s")
    runs = parser.parse_args().runs
    python = train_python()
    folder = repository("growth", YEAR)
    base = {verb: run([python, "-c", imports], folder).peak for verb, imports in IMPORTS.items()}
    sizes = []
    for size in SIZES:
        lengthen(folder / "data/flights", size)
        measured = {
            "prepare": median(run([python, "-m", "slipway", "prepare"], folder) for _ in range(runs)),
            "train": median(run([python, "-m", "slipway", "train", *TRIAL], folder) for _ in range(runs)),
        }
        index = json.loads((folder / "data/prepared/index.json").read_text())
        matrix = sum(path.stat().st_size for path in (folder / "data/prepared").glob("*.npy"))
        sizes.append(
            {
                "years": size,
                "rows": sum(month["rows"] for month in index["parts"]),
                "matrix_bytes": matrix,
                "seconds": {verb: round(one.wall, 2) for verb, one in measured.items()},
                "cpu_seconds": {verb: round(one.cpu, 2) for verb, one in measured.items()},
                "memory_bytes": {verb: one.peak - base[verb] for verb, one in measured.items()},
            }
        )
        shown = {verb: f"{one.wall:.1f} s, {(one.peak - base[verb]) / 1e6:.0f} MB" for verb, one in measured.items()}
        print(f"{size} years: matrix {matrix / 1e6:.0f} MB, {shown}", file=sys.stderr, flush=True)
    return show("growth", *tables(sizes))


def tables(sizes: list[dict]) -> tuple[list[str], list[list[object]], dict]:
    """The table and the goals."""
    header = [
        "years",
        "rows",
        "matrix MB",
        "prepare s",
        "train s",
        "CPU s ÷ million rows",
        "prepare + MB",
        "train + MB",
    ]
    rows: list[list[object]] = []
    per_row = []
    for size in sizes:
        seconds, memory = size["seconds"], size["memory_bytes"]
        per_row.append(sum(size["cpu_seconds"].values()) / size["rows"])
        rows.append(
            [
                size["years"], f"{size['rows']:,}", f"{size['matrix_bytes'] / 1e6:.0f}", seconds["prepare"],
                seconds["train"], f"{per_row[-1] * 1e6:.1f}", *(f"{memory[verb] / 1e6:.0f}" for verb in IMPORTS),
            ]
        )  # fmt: skip
    goals = [
        {
            "goal": f"CPU time per row, {sizes[-1]['years']} years ÷ 1 year",
            "measured": round(per_row[-1] / per_row[0], 3),
            "at_most": 1.0,
        }
    ]
    goals += [
        {
            "goal": f"{verb}, {size['years']} years: memory ÷ matrix",
            "measured": round(size["memory_bytes"][verb] / size["matrix_bytes"], 3),
            "at_most": MEMORY_AT_MOST,
        }
        for verb in IMPORTS
        for size in sizes
    ]
    return header, rows, {"sizes": sizes, "goals": goals}


def run(command: list[str], folder: Path) -> Run:
    """Run a command to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def median(runs: Iterable[Run]) -> Run:
    """The median of each figure."""
    runs = list(runs)
    return Run(*(statistics.median(getattr(one, figure) for one in runs) for figure in ("wall", "cpu", "peak")))


if __name__ == "__main__":
    sys.exit(main())
