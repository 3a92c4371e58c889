"""A trial's time: how much of it is boosting, and how soon its first metric comes.

  python -m benchmarks.trial             a year of flights and three, this repository's params.yaml

Boosting is the time inside `xgboost.train`; a driver around the unchanged command adds it up, and beside it the part
that is spent in `Booster.update` alone, without the metrics in between. The rest is what Slipway costs: the
interpreter, imports, binning, the final score. The years after 2013 are 2013 again under their own dates.

On the single year start-up is compared with a trial whose image has no data: it pulls the same months with `dvc pull`
from a real S3 server on this machine, checks and prepares them, and trains. The same without the checking (the remote
holds matrices) is shown too. Each figure is a median of several runs.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.services.s3 import S3

from benchmarks.report import show
from benchmarks.workplace import SETTINGS, YEAR, environment, lengthen, repository, slipway, train_python

YEARS = 3
RATIO_AT_MOST = 1.15
FASTER_AT_LEAST = 3
METRIC = re.compile(r"\d{4}-\d\d-\d\dT\S+ \S+=\S+")
DVC = str(Path(sys.executable).parent / "dvc")
CLOCK = """
import json, sys, time
from slipway.learning.learners.xgboost import import_xgboost
xgboost, spent = import_xgboost(), {"train": 0.0, "update": 0.0}
def timed(name, function):
    def call(*arguments, **named):
        start = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[name] += time.perf_counter() - start
    return call
xgboost.train = timed("train", xgboost.train)
xgboost.Booster.update = timed("update", xgboost.Booster.update)
from slipway.__main__ import main
code = main(["train"])
print(json.dumps(spent), file=sys.stderr)
sys.exit(code)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind, default: %(default)s")
    runs = parser.parse_args().runs
    python = train_python()
    folder = repository("trial", YEAR)
    year = Trials(folder, python, runs)
    starts = {"data in the image": [first_metric(folder, python, []) for _ in range(runs)]}
    with tempfile.TemporaryDirectory() as server:
        s3 = S3(Path(server), "dvc")
        try:
            push(folder, s3)
            prepare = [python, "-m", "slipway", "prepare"]
            pulls = {
                "months pulled from S3, checked and prepared": (["data/flights"], [prepare]),
                "matrices pulled from S3": (["data/prepared"], []),
            }
            for name, (targets, then) in pulls.items():
                starts[name] = [pulled(folder, python, targets, then, s3) for _ in range(runs)]
        finally:
            s3.stop()
    medians = {name: statistics.median(seconds) for name, seconds in starts.items()}
    baked, parsed, matrices = medians.values()
    lengthen(folder / "data/flights", YEARS)
    longer = Trials(folder, python, runs)
    return show(
        "trial",
        ["what", "seconds"],
        [
            *(row for trials in (year, longer) for row in trials.rows_of_the_table()),
            *([f"first metric, {name}", f"{seconds:.2f}"] for name, seconds in medians.items()),
        ],
        {
            "runs": runs,
            "trials_s": {trials.rows: trials.seconds for trials in (year, longer)},
            "first_metric_s": {name: [round(second, 3) for second in seconds] for name, seconds in starts.items()},
            "faster_than_pulled_matrices": round(matrices / baked, 2),
            "goals": [
                *(trials.goal() for trials in (year, longer)),
                {"goal": "times sooner than pulled", "measured": round(parsed / baked, 1), "at_least": FASTER_AT_LEAST},
            ],
        },
    )


class Trials:
    """Whole trials on what ``folder`` holds now.

    Attributes:
        rows: of the data.
        seconds: of each trial: from start to exit, in `xgboost.train` and in `Booster.update`.
    """

    def __init__(self, folder: Path, python: str, runs: int) -> None:
        slipway(folder, "prepare")
        index = json.loads((folder / "data/prepared/index.json").read_text())
        self.rows = sum(month["rows"] for month in index["parts"])
        self.seconds = [whole_trial(folder, python) for _ in range(runs)]

    def rows_of_the_table(self) -> list[list[str]]:
        """The medians."""
        names = {
            "wall": f"a trial on {self.rows:,} rows",
            "train": "of which xgboost.train",
            "update": "of which Booster.update",
        }
        return [[shown, f"{statistics.median(one[name] for one in self.seconds):.2f}"] for name, shown in names.items()]

    def goal(self) -> dict[str, object]:
        """The median of the ratios."""
        ratio = statistics.median(one["wall"] / one["train"] for one in self.seconds)
        return {
            "goal": f"trial ÷ boosting, {self.rows:,} rows", "measured": round(ratio, 3), "at_most": RATIO_AT_MOST
        }  # fmt: skip


def whole_trial(folder: Path, python: str) -> dict[str, float]:
    """The seconds of one trial from start to exit, and those it spent in `xgboost.train` and in `Booster.update`."""
    start = time.perf_counter()
    done = subprocess.run(
        [python, "-c", CLOCK], cwd=folder, env=environment(), capture_output=True, text=True, check=True, timeout=900
    )
    taken = {"wall": time.perf_counter() - start, **json.loads(done.stderr.splitlines()[-1])}
    return {name: round(seconds, 3) for name, seconds in taken.items()}


def first_metric(folder: Path, python: str, before: list[list[str]], **variables: str) -> float:
    """The seconds from the start of the commands ``before`` to the first metric line of the trial after them."""
    start = time.perf_counter()
    for command in before:
        subprocess.run(command, cwd=folder, env=environment(**variables), capture_output=True, check=True, timeout=900)
    trial = subprocess.Popen(
        [python, "-m", "slipway", "train"], cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert trial.stdout
    try:
        for line in trial.stdout:
            if METRIC.match(line):
                return time.perf_counter() - start
    finally:
        trial.kill()
        trial.wait()
    raise RuntimeError("the trial printed no metric")


def push(folder: Path, s3: S3) -> None:
    """Put the months and the matrices into the S3 server, as `dvc push` does."""
    for command in (
        ["init", "--no-scm", "--quiet"],
        ["config", "--quiet", "core.autostage", "false"],
        ["remote", "add", "--quiet", "--default", "storage", "s3://dvc/flights"],
        ["add", "--quiet", "data/flights", "data/prepared"],
        ["push", "--quiet"],
    ):
        subprocess.run([DVC, *command], cwd=folder, env=environment(**s3.env), check=True, timeout=300)


def pulled(folder: Path, python: str, targets: list[str], then: list[list[str]], s3: S3) -> float:
    """The seconds to the first metric in a folder that has no data and no cache yet."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fresh = Path(scratch, "trial")
        (fresh / ".dvc").mkdir(parents=True)
        (fresh / "data").mkdir()
        for name in (*SETTINGS, ".dvc/config", *(f"{target}.dvc" for target in targets)):
            shutil.copyfile(folder / name, fresh / name)
        pull = [DVC, "pull", "--quiet", *(f"{target}.dvc" for target in targets)]
        site = str(Path(scratch, "site"))
        return first_metric(fresh, python, [pull, *then], DVC_SITE_CACHE_DIR=site, **s3.env)


if __name__ == "__main__":
    sys.exit(main())
