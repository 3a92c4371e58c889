"""slipway new: a data file becomes a model folder that loads, that `make lint` takes, and asks what it cannot know."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from slipway.__main__ import main
from tests.conftest import ROOT

ROWS = 600
EXPERIMENT = """\
spec:
  objective:
    type: maximize
    objectiveMetricName: validation-auc
    additionalMetricNames: [validation-logloss]
    metricStrategies:              # a trial is as good as its last line
      - {name: validation-auc, value: latest}
      - {name: validation-logloss, value: latest}
  algorithm:
    algorithmName: tpe
"""
PARAMS = """\
split:                     # how much
  validation: 1            # parts
  holdout: 1               # parts
gate:
  margin: 0.0
  floors: {auc: 0.62}      # beyond these nothing ships
  ceilings: {logloss: 0.66, ece: 0.15}
  slice_max_drop: 0.02     # in what decides
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (tmp_path / "k8s/katib").mkdir(parents=True)
    (tmp_path / "k8s/katib/experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return tmp_path


def rows(seed: int = 1, **columns: Callable[[np.random.Generator], Any]) -> pd.DataFrame:
    """Made-up houses, and what a test adds to them."""
    rng = np.random.default_rng(seed)
    made: dict[str, Any] = {
        "house_id": np.arange(ROWS),
        "area (m²)": rng.normal(100, 20, ROWS).round(1),
        "rooms": rng.integers(1, 8, ROWS),
        "town": rng.choice(["North", "South End", "West"], ROWS),
        "agent": [f"agent {number}" for number in rng.integers(0, 150, ROWS)],
        "sold": (pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, ROWS), "D")).strftime("%Y-%m-%d"),
        "opening_time": rng.choice([900, 1030, 1445], ROWS),
        "lot": np.exp(rng.normal(5, 2, ROWS)).round(2),
        "notes": [" ".join(rng.choice(["big", "old", "garden", "sea", "view"], 6)) for _ in range(ROWS)],
        "price": rng.normal(300_000, 50_000, ROWS).round(0),
    }
    return pd.DataFrame(made | {name: make(rng) for name, make in columns.items()})


def write(frame: pd.DataFrame, path: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False) if path.endswith(".parquet") else frame.to_csv(path, index=False)
    return path


def declared(what: str) -> Any:
    """What the written model folder declares, read in a process of its own with the template's words."""
    package = Path("src/slipway")
    for name in ("__init__.py", "errors.py", "problem", "model/__init__.py"):
        if not (package / name).exists():
            (package / name).symlink_to(ROOT / package / name)
    code = f"import json; from slipway.model.problem import PROBLEM; print(json.dumps({what}))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "src"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def text(name: str) -> str:
    return Path("src/slipway/model", name).read_text(encoding="utf-8")


def test_a_file_without_a_date_in_its_name_is_one_part_whose_rows_are_drawn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", write(rows(), "data/houses/houses.csv"), "--answer", "price"]) == 0
    found = declared("[PROBLEM.task.kind, vars(PROBLEM.parts), type(PROBLEM.split).__name__, PROBLEM.key]")
    place = {"folder": "data/houses", "pattern": "houses.csv", "date": "sold"}
    assert found == ["regression", place, "Random", ["house_id"]]
    kinds = declared("{c.name: c.kind for c in PROBLEM.columns}")
    assert kinds == {
        "house_id": "integer", "area (m²)": "number", "rooms": "integer", "town": "category", "agent": "category",
        "sold": "date", "opening_time": "clock", "lot": "number", "notes": "text", "price": "number",
    }  # fmt: skip
    assert declared("[PROBLEM.column['agent'].hashed, PROBLEM.column['house_id'].maximum]") == [256, None]
    assert "house_id" not in declared("[f.source for f in PROBLEM.features]"), "a row's name is no feature"
    assert "logarithmic(" in text("schema.py"), "what is skewed is counted in buckets that grow"
    said = capsys.readouterr().out
    asked = text("problem.py").count("# Decide: ") + text("schema.py").count("# Decide: ")
    assert asked > 5 and f"{asked} comments begin with `Decide`" in said


def test_what_it_writes_is_as_make_lint_wants_it(folder: Path) -> None:
    long = {f"a column with a long name {number}": lambda rng: rng.choice(list("abc"), ROWS) for number in range(20)}
    assert main(["new", write(rows(**long), "data/houses/houses.csv"), "--answer", "price"]) == 0
    files = [str(folder / "src/slipway/model" / name) for name in ("problem.py", "schema.py", "features.py")]
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--follow-imports=silent"]):
        flags = ["--config-file" if command[0] == "mypy" else "--config", str(ROOT / "pyproject.toml")]
        if command == ["ruff", "check"]:
            flags += ["--config", 'lint.isort.known-first-party = ["slipway"]']
        environment = {"PYTHONPATH": "", "MYPYPATH": str(ROOT / "src"), "PATH": "/usr/bin"}
        if command[0] == "mypy":
            declared("0")  # the words beside it
        done = subprocess.run(
            [sys.executable, "-m", *command, *flags, *files], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "kind", "column"),
    [
        ("2024-{:02}.csv", "Monthly", "pattern"),
        ("sales-2024-{:02}.csv.gz", "Monthly", "pattern"),
        ("2024-W{:02}.parquet", "Weekly", "pattern"),
        ("day 2024-01-{:02}.csv", "Daily", "pattern"),
    ],
)
def test_a_file_named_after_its_time_stands_for_its_neighbours(name: str, kind: str, column: str, folder: Path) -> None:
    for number in range(1, 17 if kind != "Monthly" else 4):
        towns = {"town": lambda rng, number=number: rng.choice(["North", f"Town {number}"], ROWS)}
        write(rows(seed=number, **towns), f"data/sales/{name.format(number)}")
    Path("data/sales/README.csv").write_text("not one of them", encoding="utf-8")
    assert main(["new", f"data/sales/{name.format(2)}", "--answer", "price"]) == 0
    parts, pattern, split = declared(
        "[type(PROBLEM.parts).__name__, PROBLEM.parts.pattern, type(PROBLEM.split).__name__]"
    )
    assert (parts, split) == (kind, "ByTime")
    assert declared(f"PROBLEM.parts.name(__import__('pathlib').Path('data/sales/{name.format(2)}'))") in pattern.join(
        [name.format(2)] * 3
    )
    assert declared("'Town 1' in PROBLEM.column['town'].categories and 'Town 3' in PROBLEM.column['town'].categories")
    amount = 1 if kind == "Monthly" else 2
    assert f"  validation: {amount}            # parts" in Path("params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "flags", "task", "decides"),
    [
        (["no", "yes"], [], {"kind": "binary", "positive": "yes"}, "auc"),
        ([0, 1], [], {"kind": "binary", "positive": "price"}, "auc"),
        ([1, 2], [], {"kind": "binary"}, "auc"),
        (["red", "green", "blue"], [], {"kind": "multiclass", "classes": ["blue", "green", "red"]}, "logloss"),
        ([1, 2, 10], [], {"kind": "multiclass", "classes": ["1", "2", "10"]}, "logloss"),
        ([1, 2, 10], ["--task", "regression"], {"kind": "regression", "unit": ""}, "poisson_deviance"),
        (list(range(40)), [], {"kind": "regression"}, "poisson_deviance"),
        ([x / 7 for x in range(-9, 300)], [], {"kind": "regression"}, "rmse"),
        ([0, 1, 2], ["--group", "agent"], {"kind": "ranking", "group": "agent"}, "ndcg"),
    ],
)
def test_the_answers_say_which_task_it_is(
    values: list[Any], flags: list[str], task: dict[str, Any], decides: str, folder: Path
) -> None:
    path = write(rows(price=lambda rng: rng.choice(values, ROWS)), "data/houses/houses.csv")
    assert main(["new", path, "--answer", "price", *flags]) == 0
    assert declared("PROBLEM.task.as_json()").items() >= task.items()
    assert declared("PROBLEM.decides.name") == decides


def test_what_params_and_the_experiment_say_of_other_metrics_cannot_stay(folder: Path) -> None:
    assert main(["new", write(rows(), "data/houses/houses.csv"), "--answer", "price"]) == 0
    params = Path("params.yaml").read_text(encoding="utf-8")
    for line in (
        "  validation: 0.2            # parts",
        "  floors: {}      # beyond",
        "  ceilings: {}\n",
        "  margin: 0.0\n",
    ):
        assert line in params
    drop = yaml.safe_load(params)["gate"]["slice_max_drop"]
    assert drop == pytest.approx(0.05 * 50_000, rel=0.2), "in the answer's unit, and no text as 2.5e+03 would be"
    experiment = Path("k8s/katib/experiment.yaml").read_text(encoding="utf-8")
    changed = EXPERIMENT.replace("maximize", "minimize").replace("-auc", "-rmse").replace("-logloss", "-mae")
    assert experiment == changed


def test_nothing_that_stands_there_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(rows(), "data/houses/houses.csv")
    Path("src/slipway/model").mkdir(parents=True)
    Path("src/slipway/model/schema.py").write_text("# mine\n", encoding="utf-8")
    before = sorted(folder.rglob("*"))
    assert main(["new", path, "--answer", "price"]) == 2
    assert "src/slipway/model/schema.py is there and not overwritten: remove the sample with" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before and text("schema.py") == "# mine\n"
    assert main(["new", path, "--answer", "price", "--out", "build/mine"]) == 0
    assert Path("build/mine/problem.py").exists() and Path("params.yaml").read_text(encoding="utf-8") == PARAMS


def test_a_column_that_tells_the_answer_is_asked_about(folder: Path) -> None:
    frame = rows(price=lambda rng: rng.choice(["left", "stayed"], ROWS))
    frame["refunded"] = frame["price"].map({"left": "full", "stayed": "none at all"})
    assert main(["new", write(frame, "data/houses/houses.csv"), "--answer", "price"]) == 0
    assert "# Decide: refunded tells price by itself." in text("schema.py")


def replaced(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "flags", "said"),
    [
        (lambda path: path.unlink(), [], "houses.csv is not there: name the file that holds your data."),
        (lambda path: path.write_text("", encoding="utf-8"), [], "houses.csv is empty"),
        (lambda path: path.write_text("a,price\n", encoding="utf-8"), [], "has no rows"),
        (
            lambda path: path.write_text("price\n1\n2\n", encoding="utf-8"),
            [],
            "has one column, 'price': expected several",
        ),
        (lambda path: path.write_text("a;price\n1;2\n", encoding="utf-8"), [], "(separated by ';'?)"),
        (
            lambda path: path.write_text("a,b,price\n1,,2\n2,,3\n", encoding="utf-8"),
            [],
            "column b is empty in every row",
        ),
        (lambda path: path.write_text("a,a,price\n1,2,3\n", encoding="utf-8"), [], "line 1 names column a twice"),
        (lambda path: path.write_text(",a,price\n0,2,3\n", encoding="utf-8"), [], "column 1 has no name on line 1"),
        (
            lambda path: path.write_text("a,price\n1,2,3,4\n1,2\n", encoding="utf-8"),
            [],
            "line 2 has 4 values, expected 2",
        ),
        (lambda path: path.write_bytes(b"a,price\n\xff,2\n"), [], "is not in UTF-8"),
        (
            lambda path: path.write_text("a,price\n1,2\nNA,3\n", encoding="utf-8"),
            [],
            "column a holds 'NA' among numbers",
        ),
        (lambda path: path.write_text("a,price\n1,2\n2,2\n", encoding="utf-8"), [], "nothing to learn"),
        (lambda path: replaced(path, "price", "cost"), [], "has no column 'price'; it has house_id, area (m²)"),
        (lambda path: None, ["--answer", "agent"], "holds 150 different values that are no numbers"),
        (lambda path: None, ["--answer", "town", "--task", "regression"], "holds no numbers, as 'North'"),
        (lambda path: None, ["--answer", "town", "--task", "binary"], "has 3 values, not 2"),
        (lambda path: None, ["--task", "ranking"], "give --group COLUMN"),
        (lambda path: None, ["--group", "street"], "--group: data/houses/houses.csv has no other column 'street'"),
        (lambda path: None, ["--group", "town"], "a ranking's answers are grades of relevance"),
        (lambda path: None, ["--group", "town", "--task", "binary"], "leave one of them out"),
    ],
)
def test_bad_input_gets_a_sentence_and_nothing_is_written(
    spoil: Callable[[Path], Any], flags: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(write(rows(), "data/houses/houses.csv"))
    spoil(path)
    assert main(["new", str(path), "--answer", "price", *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith("slipway new: ") and said in error and error.count("\n") == 1, error
    assert not Path("src").exists() and Path("params.yaml").read_text(encoding="utf-8") == PARAMS


def test_other_files_and_their_neighbours_get_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(path: str, said: str) -> None:
        assert main(["new", path, "--answer", "price"]) == 2
        assert said in capsys.readouterr().err

    refused(write(rows(), "data/houses/houses.txt"), "is no .csv, .csv.gz or .parquet file")
    Path("data/houses/houses.parquet").write_bytes(b"PAR1")
    refused("data/houses/houses.parquet", "is not a Parquet file")
    Path("data/houses/houses.csv.gz").write_bytes(gzip.compress(b"a,price\n1,2\n")[:-9])
    refused("data/houses/houses.csv.gz", "cannot be read")
    write(rows().drop(columns="town"), "data/sales/2024-01.csv")
    refused(write(rows(), "data/sales/2024-02.csv"), "do not have the same columns: only one has town")
    refused(write(rows().drop(columns="sold"), "data/rents/2024-02.csv"), "no column holds a day as YYYY-MM-DD")


def test_a_column_that_only_counts_the_rows_is_their_key_and_no_feature(folder: Path) -> None:
    frame = rows().rename(columns={"house_id": "house"})
    assert main(["new", write(frame, "data/houses/houses.csv"), "--answer", "price"]) == 0
    assert declared("[PROBLEM.key, 'house' in [f.source for f in PROBLEM.features]]") == [["house"], False]
