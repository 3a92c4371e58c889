"""Write src/slipway/model for your data: what is guessed from a file, and a question where only you know.

  new data/houses/houses.csv --answer price
                          problem.py, schema.py and features.py of src/slipway/model
  new data/rides/2024-03.parquet --answer late --out build/rides
                          the same, elsewhere: to look at first
  new data/searches/searches.csv --answer relevance --group search
                          a ranking: the best first within each search

A file that is named after a month, a week or a day stands for all that are named alike beside it. What stands in
src/slipway/model is never overwritten: `git rm` removes the sample (docs/yours.md). Each guess that needs a person is
marked `Decide`; then `python -m slipway data check` reads the data by what was declared.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from slipway.errors import UserError
from slipway.files import write_text
from slipway.problem import Binary, Feature, Grouped, MultiClass, Ranking, Regression
from slipway.problem.tasks import TaskKind
from slipway.template.draft import Draft, draft
from slipway.template.settings import settle
from slipway.template.survey import Found

MODEL = Path("src/slipway/model")
_FILES = ("schema.py", "features.py", "problem.py")
_WIDTH = 108  # of a comment, without its indent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway new`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="your data: .csv, .csv.gz or .parquet")
    parser.add_argument("--answer", metavar="COLUMN", help="what is to be predicted")
    parser.add_argument("--task", choices=get_args(TaskKind), help="default: by the answer's values")
    parser.add_argument("--group", metavar="COLUMN", help="of a ranking: what the rows of one group share")
    parser.add_argument("--out", type=Path, default=MODEL, metavar="DIR", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Look, write, and say what is left."""
    if there := [str(args.out / name) for name in _FILES if (args.out / name).exists()]:
        raise UserError(
            f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there and not overwritten: remove the sample "
            f"with `git rm {args.out}/[a-z]*.py`, or write elsewhere with --out."
        )
    made = draft(args.file, args.answer, args.task, args.group)
    texts = {"schema.py": schema(made), "features.py": features(made), "problem.py": problem(made)}
    for name, text in {name: formatted(text, name) for name, text in texts.items()}.items():
        write_text(args.out / name, text)
    if not (args.out / "__init__.py").exists():
        write_text(args.out / "__init__.py", '"""Yours: what is learnt. No Kubernetes and no GitHub in here."""\n')
    settled = settle(made.problem, made.parts, made.spread) if args.out == MODEL else []
    print(_said(made, args.out, settled))


def schema(made: Draft) -> str:
    """schema.py of a draft."""
    columns = "\n".join(f"{_comments(found.asks)}{_column(found)}," for found in made.found)
    names = ["Column", *(["logarithmic"] if any(found.drift_range for found in made.found) else [])]
    return _text(
        f"""The columns of {made.problem.parts.folder}, as they were found in {made.source.name}.

A range is what was seen and half as much again: a value beyond it is refused, in the data and in a request. Decide of
each column whether it is known when the prediction is made: what is not gets known=False, and can be no feature.
""",
        f"from slipway.problem import {', '.join(names)}",
        f"COLUMNS = ({columns})" if len(made.found) == 1 else f"COLUMNS = (\n{columns}\n)",
    )


def features(made: Draft) -> str:
    """features.py of a draft."""
    lines = []
    imported = set()
    for found in made.found:
        if any(feature.encoding == "token" for feature in found.features):
            lines.append(f'*words("{found.column.name}"),')
            imported.add("words")
        else:
            lines.extend(f"{_feature(feature)}," for feature in found.features)
            imported.update({"Feature"} if found.features else ())
    return _text(
        "What the model sees of a row: each feature is one column, encoded; nothing is fitted, nothing imputed.",
        f"from slipway.problem import {', '.join(sorted(imported))}",
        "FEATURES = (\n" + "\n".join(lines) + "\n)",
    )


def problem(made: Draft) -> str:
    """problem.py of a draft."""
    it = made.problem
    called = {
        "name": f"Name({it.name.one!r}, {it.name.many!r}, answer={it.name.answer!r})",
        "question": repr(it.question),
        "task": _task(made),
        "answer": repr(it.answer),
        "columns": "COLUMNS",
        "features": "FEATURES",
        "parts": _call(it.parts, "folder", "pattern"),
        "split": _call(it.split, "column") if isinstance(it.split, Grouped) else _call(it.split),
        "key": repr(it.key) if it.key else "",
        "drawn_by": repr(it.drawn_by) if it.drawn_by else "",
        "metrics": f"({', '.join(it.metric)})",
        "decides": it.decides.name,
        "slices": repr(it.slices) if it.slices else "",
    }
    lines = (f"{_comments(made.asks.get(key, ()))}{key}={value}," for key, value in called.items() if value)
    words = ["Name", "Problem", *(type(word).__name__ for word in (it.task, it.parts, it.split))]
    return _text(
        f"""{it.question}

Made by `python -m slipway new` from {made.source.name}. Each `Decide`, here and in schema.py, is a guess that only a
person can confirm: confirm or change it, and remove the comment. docs/model.md says what each word can be.
""",
        "from slipway.model.features import FEATURES\n"
        "from slipway.model.schema import COLUMNS\n"
        f"from slipway.problem import {', '.join([*sorted(words), *sorted(it.metric)])}",
        "PROBLEM = Problem(\n" + "\n".join(lines) + "\n)",
    )


def formatted(text: str, name: str) -> str:
    """``text`` as `make format` leaves it.

    Raises:
        UserError: ruff is not installed.
    """
    command = [sys.executable, "-m", "ruff", "format", "--line-length=120", f"--stdin-filename={name}", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`ruff format` failed ({done.stderr.strip()}): run `make setup`, which installs it.")
    return done.stdout


def _text(docstring: str, imports: str, body: str) -> str:
    return f'"""{docstring}"""\n\nfrom __future__ import annotations\n\n{imports}\n\n{body}\n'


def _comments(asks: Sequence[str]) -> str:
    lines = (line for ask in asks for line in textwrap.wrap(f"Decide: {ask}", _WIDTH))
    return "".join(f"# {line}\n" for line in lines)


def _column(found: Found) -> str:
    extra = {}
    if found.drift_range:
        extra["drift"] = "logarithmic({}, {})".format(*map(_number, found.drift_range))
    return _call(found.column, "name", "kind", **extra)


def _feature(feature: Feature) -> str:
    return f"Feature({feature.name!r}, {feature.source!r}, {feature.encoding!r})"


def _task(made: Draft) -> str:
    task = made.problem.task
    if isinstance(task, Binary):
        return _call(task, "positive")
    if isinstance(task, Regression):
        return f"Regression(unit={task.unit!r}, loss={task.loss!r})"
    if isinstance(task, MultiClass):
        return f"MultiClass({task.classes!r})"
    assert isinstance(task, Ranking)
    return f"Ranking({task.group!r})"


def _call(value: Any, *places: str, **written: str) -> str:
    """The code that makes a dataclass: ``places`` by position, the rest by name where it differs from its default."""
    at = [_value(getattr(value, name)) for name in places]
    for field in fields(value):
        now = getattr(value, field.name)
        if field.name not in places and now != field.default:
            at.append(f"{field.name}={written.get(field.name) or _value(now)}")
    return f"{type(value).__name__}({', '.join(at)})"


def _value(value: object) -> str:
    return _number(value) if isinstance(value, float) else repr(value)


def _number(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _said(made: Draft, out: Path, settled: Iterable[str]) -> str:
    it = made.problem
    asked = sum(map(len, made.asks.values())) + sum(len(found.asks) for found in made.found)
    steps = [
        f"Read {out}/problem.py and schema.py, and decide what they ask: {asked} comments begin with `Decide`. Above "
        "all: is every column known when the prediction is made? What is not gets known=False.",
        *(
            []
            if (here := made.source.resolve()).parent == Path(it.parts.folder).resolve()
            else [f"Move the data where it belongs: {it.parts.folder} (it lies in {here.parent} now)."]
        ),
        f"`python -m slipway init --model NAME --data-folder {Path(it.parts.folder).name}` says so everywhere else.",
        "`python -m slipway data check` reads the data by what you declared.",
        f"`dvc add {it.parts.folder}`, `dvc repro`, commit: docs/yours.md goes on from there.",
    ]
    return "\n".join(
        [
            f"A problem of the task {it.task.kind}, with {len(made.found)} columns and {len(it.features)} features:",
            *(f"{out / name}" for name in _FILES),
            *settled,
            "",
            "What is left to do:",
            "",
            *(f"{number}. {step}" for number, step in enumerate(steps, 1)),
        ]
    )
