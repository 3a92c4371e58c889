"""A column of the data: what it holds, what it may hold, and in which buckets it is counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

from slipway.problem.declared import SCHEMA_FILE, refuse

Kind = Literal["date", "clock", "integer", "number", "category", "text"]
"""``date`` is YYYY-MM-DD, ``clock`` is hours and minutes as HHMM (515 is a quarter past five)."""

DRIFT_BUCKETS = 20
OTHER = "other"
"""The bucket of the values of a category that its list does not have."""
_MOST_HASHED = 4096
_SHOWN = 20


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: as it stands in the data's header.
        kind: how its values are written.
        description: for people.
        known: whether it is known when the prediction is made. What is not can be no feature.
        nullable: whether a value may be missing.
        minimum, maximum: what a value may be; refused in the data and in a request when it is beyond. Either may be
            left out.
        categories: what a category may be. Values that are not in it are refused, or counted as ``other``.
        other: whether a category may hold what ``categories`` does not have.
        hashed: into how many buckets the values of a category with too many to list are hashed; 0 for a listed one.
        drift: the borders of the buckets that drift is counted in, ascending (see :func:`evenly`, :func:`logarithmic`).
            Left out, a number is counted in twenty equal parts of its range, the one nearest to 0 divided on, by 1, 2
            and 5 in each decade: what it may be says little of what it is. Without a range the decades alone count.
        unit: of a number, for people.

    Raises:
        UserError: something in it does not fit its kind.
    """

    name: str
    kind: Kind
    description: str = ""
    known: bool = True
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    other: bool = False
    hashed: int = 0
    drift: tuple[float, ...] = ()
    unit: str = ""

    def __post_init__(self) -> None:
        where = f"column {self.name}"
        if self.kind not in get_args(Kind):
            raise refuse(where, f"kind is {self.kind!r}, expected one of {', '.join(get_args(Kind))}", SCHEMA_FILE)
        numeric = self.kind in ("integer", "number")
        for key, value in (("minimum", self.minimum), ("maximum", self.maximum)):
            if value is not None and not (numeric and math.isfinite(value)):
                raise refuse(where, f"{key} is {value!r}, which only an integer or a number has", SCHEMA_FILE)
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise refuse(where, f"minimum {self.minimum:g} is not below maximum {self.maximum:g}", SCHEMA_FILE)
        if self.kind == "category":
            self._check_categories(where)
        elif self.categories or self.other or self.hashed:
            raise refuse(where, "categories, other and hashed belong to the kind category", SCHEMA_FILE)
        if self.drift and (self.kind in ("date", "category") or any(a >= b for a, b in pairwise(self.drift))):
            raise refuse(
                where, "drift holds ascending borders, of an integer, a number, a clock or a text's length", SCHEMA_FILE
            )

    def _check_categories(self, where: str) -> None:
        if bool(self.categories) == bool(self.hashed):
            raise refuse(
                where, "a category has either categories, or hashed=<buckets> for too many to list", SCHEMA_FILE
            )
        if self.hashed and not 2 <= self.hashed <= _MOST_HASHED:
            raise refuse(where, f"hashed is {self.hashed}, expected 2 to {_MOST_HASHED} buckets", SCHEMA_FILE)
        if len(set(self.categories)) != len(self.categories) or "" in self.categories:
            raise refuse(where, "each category stands once, and none is empty", SCHEMA_FILE)
        if self.other and (self.hashed or OTHER in self.categories):
            raise refuse(where, f"other needs listed categories, and none of them may be called {OTHER!r}", SCHEMA_FILE)

    def drift_edges(self) -> tuple[float, ...]:
        """The borders of the buckets that a number is counted in; without ``drift``, as that is described."""
        if self.drift:
            return self.drift
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        even = evenly(low, high) if math.isfinite(high - low) else ()
        parts = sorted(pairwise([low, *even, high]), key=_from_zero)
        nearest = [part for part in parts if _from_zero(part) == _from_zero(parts[0])]  # two, where one ends at 0
        decades = {edge for part in nearest for edge in _decades(*part)}
        return tuple(sorted({*even, *(edge for edge in decades if self.kind != "integer" or not 0 < abs(edge) < 1)}))

    def expectation(self) -> str:
        """What a value must be, in words: the second half of every refusal."""
        words = {
            "date": "a date as YYYY-MM-DD",
            "clock": "a time of day as HHMM, from 0 to 2400 with minutes below 60",
            "integer": f"a whole number{self._within()}",
            "number": f"a number{self._within()}",
            "category": self._listed(),
            "text": "text",
        }[self.kind]
        if self.unit:
            words += f" ({self.unit})"
        return words + (" or nothing" if self.nullable else "")

    def _within(self) -> str:
        if self.minimum is None:
            return "" if self.maximum is None else f" of at most {self.maximum:g}"
        return (
            f" of at least {self.minimum:g}" if self.maximum is None else f" from {self.minimum:g} to {self.maximum:g}"
        )

    def _listed(self) -> str:
        if self.hashed or self.other:
            return "a name that is not empty"
        return f"one of {', '.join(self.categories[:_SHOWN])}{' …' if len(self.categories) > _SHOWN else ''}"

    def as_json(self) -> dict[str, Any]:
        """As it stands in ``schema.json``."""
        return {
            "name": self.name,
            "kind": self.kind,
            "description": self.description,
            "nullable": self.nullable,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "categories": list(self.categories),
            "other": self.other,
            "hashed": self.hashed,
            "unit": self.unit,
            "expectation": self.expectation(),
        }


def evenly(low: float, high: float, buckets: int = DRIFT_BUCKETS) -> tuple[float, ...]:
    """The inner borders of equal buckets from ``low`` to ``high``: ``buckets - 1`` ascending numbers."""
    return tuple(low + (high - low) * step / buckets for step in range(1, buckets))


def logarithmic(low: float, high: float, buckets: int = DRIFT_BUCKETS) -> tuple[float, ...]:
    """The inner borders of buckets that grow by the same factor, for numbers above 0: incomes, counts, durations."""
    return tuple(low * (high / low) ** (step / buckets) for step in range(1, buckets))


def _from_zero(part: tuple[float, float]) -> float:
    """How far a part's nearest number is from 0."""
    return max(part[0], -part[1], 0.0)


def _decades(low: float, high: float) -> list[float]:
    """0, and the numbers 1, 2 and 5 of each decade and both signs, as far as they lie between ``low`` and ``high``.

    Of what has no end, thousandths are told apart and so is all below ten (U.S.) billions; of a part that begins or
    ends with 0 four decades; of one around 0 two, as there is no growing by factors.
    """
    if math.isinf(high - low):
        largest, smallest = 9, -3
    else:
        largest = math.ceil(math.log10(max(abs(low), abs(high))))
        smallest = largest - (2 if low < 0 < high else 4)
    sizes = [float(f"{digit}e{power}") for power in range(smallest, largest + 1) for digit in (1, 2, 5)]
    return [number for number in (0.0, *sizes, *(-size for size in sizes)) if low < number < high]
