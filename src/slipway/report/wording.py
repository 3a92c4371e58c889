"""Numbers and names as the report writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.model.problem import PROBLEM
from slipway.problem import Binary, MultiClass
from slipway.report.document import Code, Glyphs, Inline, Line, inlines
from slipway.report.pipeline import Change

_DIGITS = 4
_SPARKS = "▁▂▃▄▅▆▇█"


def comparable(change: Change) -> bool:
    """Are both sides numbers?"""
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in (change.before, change.after))


def number(value: Any) -> str:
    """Fractions to four places, whole numbers with thousands apart, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.{_DIGITS}f}"


def setting(value: Any) -> Line:
    """A parameter as it is written; a dash where there was none."""
    return "–" if value is None else Code(str(value))


def signed(change: Change) -> str:
    """The difference with its sign; empty unless both sides are numbers."""
    if not comparable(change):
        return ""
    difference = change.after - change.before
    if not difference:
        return "0"
    if isinstance(difference, int):
        return f"{difference:+,}"
    return f"{difference:+.{_DIGITS}f}" if abs(difference) >= 10**-_DIGITS else f"{difference:+.1g}"


def answer_head() -> str:
    """What stands over the answers' means: `late`, `mean price`; over the class that is met most, `most often`."""
    if isinstance(PROBLEM.task, MultiClass):
        return f"{PROBLEM.name.answer}, most often"
    return PROBLEM.name.answer if isinstance(PROBLEM.task, Binary) else f"mean {PROBLEM.name.answer}"


def level(mean: float | None) -> str:
    """A mean of answers: a share in percent where the answer is yes or no."""
    if mean is None:
        return "–"
    return f"{mean:.1%}" if isinstance(PROBLEM.task, Binary) else f"{mean:,.4g}"


def answers(part: Mapping[str, Any]) -> str:
    """A part's answers in a few words, to stand under :func:`answer_head`."""
    if not isinstance(PROBLEM.task, MultiClass):
        return level(part["mean"])
    most = max(part["answer"]["buckets"].items(), key=lambda pair: pair[1], default=None)
    return "–" if most is None else f"{most[0]} {most[1] / part['answered']:.1%}"


def bar(value: float, top: float, cells: int = 10) -> Glyphs:
    """A bar that is full at ``top``."""
    filled = round(value / top * cells) if top else 0
    return Glyphs("█" * filled + "░" * (cells - filled))


def spark(shares: list[float], top: float) -> Glyphs:
    """One small bar for each share, the tallest for ``top``; a dot where there is nothing."""
    return Glyphs("".join("·" if not share else _SPARKS[min(int(share / top * 8), 7)] for share in shares))


def listing(lead: str, names: list[str], most: int = 6) -> list[Inline]:
    """``lead``, then the first names with commas between and how many more there are; nothing at all without names."""
    parts: list[Inline] = []
    for name in names[:most]:
        parts += [", " if parts else lead, Code(name)]
    if len(names) > most:
        parts.append(f" and {len(names) - most} more")
    return parts


def plain(line: Line) -> str:
    """A line as a terminal shows it."""
    return "".join(part if isinstance(part, str) else part.text for part in inlines(line))
