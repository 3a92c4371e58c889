"""A report as a tree of plain values, which Markdown and HTML are made from. Every string in it is raw text.

Escaping belongs to the two writers alone, so a category named ``<script>`` or a branch named ``@everyone`` is text in
both. Inside a line, ``Code`` is a name from data, parameters or Git, and ``Strong`` is what must be seen.

Needs Python's own library only, as does the Markdown's writer: the job that may write to the repository has no more.
"""

from __future__ import annotations

import re
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


@dataclass(frozen=True)
class Link:
    """Words that lead to an address; ``code`` where they are a name."""

    text: str
    url: str
    code: bool = False


_COMMAND = re.compile(r"(?<![^\s(])`([A-Za-z0-9._/-][^`'\"\n]{0,120})`(?![`'])")

Inline = str | Code | Strong | Glyphs | Link
Line = Inline | tuple[Inline, ...]


@dataclass(frozen=True)
class Paragraph:
    """One paragraph."""

    line: Line


@dataclass(frozen=True)
class Bullets:
    """A list; ``numbered`` where the order counts."""

    lines: Sequence[Line]
    numbered: bool = False


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


@dataclass(frozen=True)
class Heading:
    """A heading; the pull request's own is of level 1."""

    line: Line
    level: int = 2


@dataclass(frozen=True)
class Quote:
    """What somebody else said; as a ``warning`` it is set apart and seen first."""

    line: Line
    warning: bool = False


@dataclass(frozen=True)
class Verbatim:
    """Lines as they are, markup and all."""

    text: str


@dataclass(frozen=True)
class Folded:
    """Blocks that are seen when their summary is opened."""

    summary: str
    blocks: Sequence[Block]


Block = Paragraph | Bullets | Table | Figure
Message = Sequence[Block | Heading | Quote | Verbatim | Folded]
"""A comment, a pull request's body or a run's summary, when it is no whole Document."""


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


def sentence(text: str) -> tuple[Inline, ...]:
    """A sentence of ours with what stands in backticks as ``Code``, as a message for a terminal has it.

    Such as a command: backticks that do not stand around words like these are somebody's, and are left.
    """
    return tuple(Code(part) if place % 2 else part for place, part in enumerate(_COMMAND.split(text)) if part)


def inlines(line: Line) -> tuple[Inline, ...]:
    """A line as its parts."""
    return line if isinstance(line, tuple) else (line,)
