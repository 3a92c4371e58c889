"""A report as a tree of plain values, which Markdown and HTML are made from. Every string in it is raw text.

Escaping belongs to the two writers alone, so a category named ``<script>`` or a branch named ``@everyone`` is text in
both. Inside a line, ``Code`` is a name from data, parameters or Git, and ``Strong`` is what must be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Code:
    """A name."""

    text: str


@dataclass(frozen=True)
class Strong:
    """What must be seen."""

    text: str


@dataclass(frozen=True)
class Glyphs:
    """Bars made of block characters."""

    text: str


Inline = str | Code | Strong | Glyphs
Line = Inline | tuple[Inline, ...]


@dataclass(frozen=True)
class Paragraph:
    """One paragraph."""

    line: Line


@dataclass(frozen=True)
class Bullets:
    """A list."""

    lines: Sequence[Line]


@dataclass(frozen=True)
class Table:
    """A table; columns whose heading is in ``right`` are aligned to the right."""

    head: Sequence[str]
    rows: Sequence[Sequence[Line]]
    right: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A plot, by its file name in the report's plots folder; ``alt`` is what it shows."""

    name: str
    alt: str


Block = Paragraph | Bullets | Table | Figure


@dataclass(frozen=True)
class Section:
    """A part with a heading.

    ``weight`` says what goes first when the report is too long for a comment: the lowest. A section with a ``summary``
    is folded under that line.
    """

    title: str
    blocks: Sequence[Block]
    weight: int
    summary: str = ""


@dataclass(frozen=True)
class Document:
    """A report: a title, its verdict in a line or more, the sections in their order, and where it comes from."""

    title: str
    verdict: Sequence[Line]
    sections: Sequence[Section]
    origin: Line
    tone: str = "neutral"
    warnings: Sequence[Line] = field(default_factory=list)


def inlines(line: Line) -> tuple[Inline, ...]:
    """A line as its parts."""
    return line if isinstance(line, tuple) else (line,)
