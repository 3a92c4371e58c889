"""What params.yaml and the experiment say of another problem's metrics and parts, brought in step with this one."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from slipway.files import write_text
from slipway.params import PARAMS_FILE
from slipway.problem import Problem, Regression

EXPERIMENT = Path("k8s/katib/experiment.yaml")
_SHARE = 0.2
_SLICE_DROP = 0.05  # of the answers' standard deviation
_OF_PARTS = 8  # one of so many validates, one is held out


def settle(problem: Problem, parts: int, spread: float) -> list[str]:
    """Change the lines that cannot stay: how much is held out, metrics that the problem does not have, the objective.

    Args:
        problem: as it was declared just now.
        parts: how many parts its data has.
        spread: of a regression, the standard deviation of the answers.

    Returns:
        What was changed, a line for each file; or what to change by hand, where a file is not written as it was.
    """
    return [
        _changed(PARAMS_FILE, lambda text: _params(text, problem, parts, spread), "split, floors and ceilings"),
        _changed(EXPERIMENT, lambda text: _objective(text, problem), "the objective"),
    ]


def _changed(path: Path, change: Callable[[str], str | None], what: str) -> str:
    if not path.exists():
        return f"{path} is not here: {what} are to be said there."
    text = path.read_text(encoding="utf-8")
    new = change(text)
    if new is None:
        return f"{path}: look at {what} yourself; it is not written as the template's."
    if new != text:
        write_text(path, new)
    return f"{path} ({what})"


def _params(text: str, problem: Problem, parts: int, spread: float) -> str | None:
    amount = f"{max(1, parts // _OF_PARTS)}" if problem.split.counts == "parts" else f"{_SHARE:g}"
    values = {"validation": amount, "holdout": amount, "floors": "{}", "ceilings": "{}"}
    if isinstance(problem.task, Regression) and spread > 0:
        values["slice_max_drop"] = _plain(_SLICE_DROP * spread)
    for key, value in values.items():
        text, times = re.subn(rf"^(  {key}:) *(?:\{{[^}}]*\}}|[^\s#]+)", rf"\1 {value}", text, flags=re.MULTILINE)
        if times != 1:
            return None
    return text


def _plain(amount: float) -> str:
    """Two digits, without an exponent: YAML takes 2e+02 for text."""
    return format(Decimal(f"{amount:.2g}"), "f")


def _objective(text: str, problem: Problem) -> str | None:
    decides, *others = [problem.decides, *(metric for metric in problem.metrics if metric != problem.decides)]
    names = [f"validation-{metric.name}" for metric in (decides, *others[:1])]
    type_ = "maximize" if decides.higher_is_better else "minimize"
    values = {
        "type": type_,
        "objectiveMetricName": names[0],
        "additionalMetricNames": f"[{', '.join(names[1:])}]",
    }
    for key, value in values.items():
        text, times = re.subn(
            rf"^(    {key}:) *(?:\[[^\]]*\]|[^\s#]+)", rf"\1 {value}", text, count=1, flags=re.MULTILINE
        )
        if times != 1:
            return None
    strategies = "".join(f"      - {{name: {name}, value: latest}}\n" for name in names)
    text, times = re.subn(
        r"(^    metricStrategies:.*\n)(?:      - \{name: validation-\w+, value: latest\}\n)+",
        lambda found: found[1] + strategies, text, count=1, flags=re.MULTILINE,
    )  # fmt: skip
    return text if times == 1 else None
