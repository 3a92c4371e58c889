"""All Markdown that reaches GitHub: comments, bodies of pull requests, summaries of runs.

Whatever a string holds (a carrier's name, a branch, a tag of the registry, GitHub's own words) is shown as it is: it is
no markup, leads nowhere, loads nothing and calls nobody. Escaping Markdown is half of it. GitHub looks at the text once
more after Markdown is gone, for `@name`, `#12`, `GH-12`, `:+1:`, and a backslash does not stop it; a character without
width does. What this writes has a type of its own, `Markdown`, and what speaks to GitHub takes nothing else.

GitHub shows no local images in comments and cuts nothing: a comment over 65,536 characters is refused. So plots are
links only where an address is given, and a long report drops its least important sections, with a line that says so.
"""

from __future__ import annotations

import html
import itertools
import re
import string
from urllib.parse import quote

from slipway.actions import Markdown
from slipway.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Figure,
    Folded,
    Glyphs,
    Heading,
    Inline,
    Line,
    Link,
    Message,
    Paragraph,
    Quote,
    Section,
    Strong,
    Table,
    Verbatim,
    inlines,
)

LIMIT = 65_000
"""Characters: GitHub's 65,536 less what whoever posts it adds."""

_PLAIN = re.compile(r"[A-Za-z0-9@./-](?:[A-Za-z0-9 _.:,/+=%()°–…~^@#-]*[A-Za-z0-9)])?")
_ENTITIES = {ord(mark): f"&#{ord(mark)};" for mark in string.punctuation} | {ord("\n"): " ", ord("\r"): " "}
_DOLLAR = "<span>$</span>"
"""As GitHub says to write it where it might be read as mathematics."""
_SPECIAL = {ord(mark): f"\\{mark}" for mark in "\\`*_[]<>|#~!"} | {ord("&"): "&amp;", ord("$"): _DOLLAR}
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows: nobody sees what they hide."""
_SEEN_BY_GITHUB = re.compile(
    r"(?<=@)"  # calls somebody
    r"|(?<=#)(?=\d)|(?<=\bGH)(?=-\d)"  # refers to an issue, and `fixes #12` closes it
    r"|(?<=:)(?=//)|(?<=\bwww)(?=\.)"  # becomes a link
    r"|(?<=:)(?=(?!\d\d:)[\w+-]+:)",  # becomes a picture
    re.IGNORECASE,
)
_BEGINS_A_BLOCK = re.compile(r"^(?:\d{1,9}(?=[.)](?:\s|$))|(?=[-+=](?:[-+=\s]|$)))")
_IN_AN_ADDRESS = "!#$&'*+,/:;=?@_~%-."  # no bracket and no blank: they would end it


def to_markdown(document: Document, page: str = "", plots_url: str | None = None, limit: int = LIMIT) -> Markdown:
    """Write a report as GitHub Markdown.

    Args:
        document: the report.
        page: where the whole report is, for those who read a shortened one; "" where this is all there is.
        plots_url: address of the folder with the plots; without it there are no images.
        limit: characters.
    """
    sections = list(document.sections)
    dropped: list[Section] = []
    text = _whole(document, sections, dropped, page, plots_url)
    while len(text) > limit and sections:
        least = min(sections, key=lambda section: section.weight)
        sections.remove(least)
        dropped.append(least)
        text = _whole(document, sections, dropped, page, plots_url)
    return Markdown(text if len(text) <= limit else text[: limit - 2].rsplit("\n", 1)[0] + "\n")


def message(*blocks: Block | Heading | Quote | Verbatim | Folded) -> Markdown:
    """Write a comment, a body or a summary; blocks are parted by an empty line."""
    return Markdown(_message(blocks) + "\n")


def line(*parts: Inline) -> Markdown:
    """Write one line without its end, such as for a run's summary."""
    return Markdown(_start(parts))


def title(text: str) -> str:
    """The title of a pull request, or a commit's first line: GitHub takes no markup there, but looks for names."""
    return _quiet(text)


def _message(blocks: Message) -> str:
    return "\n\n".join(text for block in blocks if (text := _any(block)))


def _any(block: Block | Heading | Quote | Verbatim | Folded) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_line(block.line)}"
    if isinstance(block, Quote):
        return f"> [!WARNING]\n> {_start(block.line)}" if block.warning else f"> {_start(block.line)}"
    if isinstance(block, Verbatim):
        fence = "`" * (max((len(run) for run in re.findall(r"`{3,}", block.text)), default=2) + 1)
        return f"{fence}text\n{_UNSEEN.sub(chr(0xFFFD), block.text).strip()}\n{fence}"
    if isinstance(block, Folded):
        return f"<details>\n<summary>{_raw(block.summary)}</summary>\n\n{_message(block.blocks)}\n\n</details>"
    return _block(block, None)


def _whole(
    document: Document, sections: list[Section], dropped: list[Section], page: str, plots_url: str | None
) -> str:
    parts = [f"## {_line(document.title)}"]
    parts += [f"> [!WARNING]\n> {_start(warning)}" for warning in document.warnings]
    parts += [_start(line) for line in document.verdict]
    for section in sections:
        blocks = [text for block in section.blocks if (text := _block(block, plots_url))]
        if not blocks:
            continue
        if section.summary:
            inside = "\n\n".join(blocks)
            parts.append(
                f"<details>\n<summary><b>{_raw(section.title)}</b>: {_raw(section.summary)}</summary>\n\n{inside}\n\n"
                "</details>"
            )
        else:
            parts.append("\n\n".join([f"### {_line(section.title)}", *blocks]))
    if dropped:
        names = ", ".join(_line(section.title) for section in sorted(dropped, key=list(document.sections).index))
        whole = f" All of it is in {_code(page)}." if page else ""
        parts.append(f"**Left out, because a comment may hold only so much: {names}.**{whole}")
    elif plots_url is None and page:
        parts.append(f"The plots are in {_code(page)}.")
    parts.append(f"<sub>{_line(document.origin)}</sub>")
    return "\n\n".join(parts) + "\n"


def _block(block: Block, plots_url: str | None) -> str:
    if isinstance(block, Paragraph):
        return _start(block.line)
    if isinstance(block, Bullets):
        marks = (f"{number}." if block.numbered else "-" for number in itertools.count(1))
        return "\n".join(f"{mark} {_start(line)}" for mark, line in zip(marks, block.lines, strict=False))
    if isinstance(block, Figure):
        if plots_url is None:
            return ""
        return f"![{_text(block.alt)}]({plots_url.rstrip('/')}/{quote(block.name)})"
    assert isinstance(block, Table)
    head = "| " + " | ".join(_text(name) for name in block.head) + " |"
    rule = "|" + "|".join("--:" if name in block.right else ":--" for name in block.head) + "|"
    return "\n".join([head, rule, *("| " + " | ".join(map(_line, row)) + " |" for row in block.rows)])


def _line(line: Line) -> str:
    return "".join(map(_inline, inlines(line)))


def _start(line: Line) -> str:
    """A line where a block begins: a dash, or a number with a point, would make a list of it."""
    return _BEGINS_A_BLOCK.sub(r"\g<0>\\", _line(line).lstrip())


def _inline(part: Inline) -> str:
    if isinstance(part, Code):
        return _code(part.text)
    if isinstance(part, Glyphs):
        return part.text
    if isinstance(part, Strong):
        return f"**{_text(part.text.strip())}**" if part.text.strip() else ""
    if isinstance(part, Link):
        shown = _code(part.text) if part.code else _text(part.text)
        return f"[{shown}]({_address(part.url)})" if _address(part.url) else shown
    return _text(part)


def _raw(text: str) -> str:
    """Text inside a block of HTML, where Markdown's own escapes would be shown."""
    return html.escape(_quiet(text)).replace("$", _DOLLAR)


def _text(text: str) -> str:
    return _quiet(text).translate(_SPECIAL)


def _quiet(text: str) -> str:
    """``text`` on one line, with nothing in it that GitHub would find after Markdown is gone."""
    return _SEEN_BY_GITHUB.sub("\u200b", _UNSEEN.sub("\ufffd", " ".join(re.split(r"[\r\n\u2028\u2029]", text))))


def _address(url: str) -> str:
    """An address that ends where it is meant to; empty for what is none of the web."""
    return quote(url, safe=_IN_AN_ADDRESS) if url.startswith(("https://", "http://")) else ""


def _code(text: str) -> str:
    """A name that Markdown takes nothing from: entities where a code span could be broken out of."""
    text = _UNSEEN.sub("\ufffd", text)
    if _PLAIN.fullmatch(text):
        return f"`{text}`"
    return f"<code>{text.translate(_ENTITIES)}</code>" if text.strip() else "<code>&nbsp;</code>"
