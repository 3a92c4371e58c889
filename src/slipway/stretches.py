"""Stretches of time that files are named by (2013-06, 2013-W23, 2013-06-14): which follow each other, and which lack.

"January to May" is only said of five months that are all there. Nothing but Python's own library is imported here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from itertools import pairwise

_MONTH, _WEEK, _DAY = r"(\d{4})-(\d\d)", r"(\d{4})-W(\d\d)", r"\d{4}-\d\d-\d\d"
_MOST_NAMED = 12


def in_words(names: Sequence[str]) -> str:
    """The names in order of time, those that follow each other as one: `2013-01 to 2013-03, 2013-05`."""
    whole: list[list[str]] = []
    for name in sorted(names):
        if whole and _after(whole[-1][-1]) == name:
            whole[-1].append(name)
        else:
            whole.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in whole)


def gaps(names: Sequence[str]) -> list[str]:
    """What lacks between the first name and the last; nothing where a name says no time."""
    known = sorted(names)
    lacking: list[str] = []
    for name, later in pairwise(known):
        between = _after(name)
        while between and between < later:
            lacking.append(between)
            between = _after(between)
    return lacking


def gaps_in_words(names: Sequence[str]) -> str:
    """A sentence on what lacks; empty where nothing does."""
    lacking = in_words(gaps(names)).split(", ")
    if lacking == [""]:
        return ""
    more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
    return f"There is a gap between {min(names)} and {max(names)}: no {', '.join(lacking[:_MOST_NAMED])}{more}."


def _after(name: str) -> str:
    """The stretch of time that follows; empty where a name says no time."""
    try:
        if month := re.fullmatch(_MONTH, name):
            first = dt.date(int(month[1]), int(month[2]), 1)
            return f"{first.year + first.month // 12:04}-{first.month % 12 + 1:02}"
        if week := re.fullmatch(_WEEK, name):
            later = (dt.date.fromisocalendar(int(week[1]), int(week[2]), 1) + dt.timedelta(days=7)).isocalendar()
            return f"{later.year:04}-W{later.week:02}"
        if re.fullmatch(_DAY, name):
            return (dt.date.fromisoformat(name) + dt.timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):  # a thirteenth month, and what comes after the year 9999
        return ""
    return ""
