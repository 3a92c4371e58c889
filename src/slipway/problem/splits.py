"""What is learnt from, what trials are scored on, and what only the end sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from slipway.problem.declared import refuse


@dataclass(frozen=True)
class ByTime:
    """The newest parts are held out, those before them validate, the rest train.

    ``split.holdout`` and ``split.validation`` of params.yaml count parts.

    Args:
        gap: how many parts are left out before the validation and before the hold-out, because their answers would not
            have been known when a model for what follows was trained.
    """

    gap: int = 0
    counts: ClassVar[Literal["parts", "shares"]] = "parts"

    def __post_init__(self) -> None:
        if self.gap < 0:
            raise refuse("split", f"ByTime has gap={self.gap}, expected 0 or more parts")


@dataclass(frozen=True)
class Random:
    """Rows are drawn, each by a hash of its key and ``seed``: what was held out stays so when rows are added.

    ``split.holdout`` and ``split.validation`` of params.yaml are shares of the rows. Rows are told apart by the
    problem's ``key``, or by all they hold when it has none.
    """

    seed: int = 0
    counts: ClassVar[Literal["parts", "shares"]] = "shares"


@dataclass(frozen=True)
class Grouped:
    """As :class:`Random`, but rows that share a value of ``column`` are drawn together: no patient on both sides."""

    column: str
    seed: int = 0
    counts: ClassVar[Literal["parts", "shares"]] = "shares"


Split = ByTime | Random | Grouped
