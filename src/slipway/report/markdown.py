"""A report as Markdown for a pull request's comment.

GitHub shows no local images in comments and cuts nothing: a comment over 65,536 characters is refused. So plots are
links only where an address is given, and a long report drops its least important sections, with a line that says so.
"""

from __future__ import annotations

import html
import re
import string
from urllib.parse import quote

from slipway.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Figure,
    Glyphs,
    Inline,
    Line,
    Paragraph,
    Section,
    Strong,
    inlines,
)

LIMIT = 65_000
"""Characters: GitHub's 65,536 less what whoever posts it adds."""

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.:,/+=%()°–…~^-]*[A-Za-z0-9)])?")
_ENTITIES = {ord(mark): f"&#{ord(mark)};" for mark in string.punctuation} | {ord("\n"): " ", ord("\r"): " "}
_SPECIAL = {ord(mark): f"\\{mark}" for mark in "\\`*_[]<>|#~!"} | {
    ord("&"): "&amp;",
    ord("@"): "@\u200b",  # mentions nobody
    ord("\n"): " ",
    ord("\r"): " ",
}


def to_markdown(document: Document, page: str = "", plots_url: str | None = None, limit: int = LIMIT) -> str:
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
    return text if len(text) <= limit else text[: limit - 2].rsplit("\n", 1)[0] + "\n"


def _whole(
    document: Document, sections: list[Section], dropped: list[Section], page: str, plots_url: str | None
) -> str:
    parts = [f"## {_line(document.title)}"]
    parts += [f"> [!WARNING]\n> {_line(warning)}" for warning in document.warnings]
    parts += [_line(line) for line in document.verdict]
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
        return _line(block.line)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_line(line)}" for line in block.lines)
    if isinstance(block, Figure):
        if plots_url is None:
            return ""
        return f"![{_text(block.alt)}]({plots_url.rstrip('/')}/{quote(block.name)})"
    head = "| " + " | ".join(_text(name) for name in block.head) + " |"
    rule = "|" + "|".join("--:" if name in block.right else ":--" for name in block.head) + "|"
    return "\n".join([head, rule, *("| " + " | ".join(map(_line, row)) + " |" for row in block.rows)])


def _line(line: Line) -> str:
    return "".join(map(_inline, inlines(line)))


def _inline(part: Inline) -> str:
    if isinstance(part, Code):
        return _code(part.text)
    if isinstance(part, Glyphs):
        return part.text
    if isinstance(part, Strong):
        return f"**{_text(part.text)}**" if part.text.strip() else ""
    return _text(part)


def _raw(text: str) -> str:
    """Text inside a block of HTML, where Markdown's own escapes would be shown."""
    return html.escape(text.replace("@", "@\u200b").replace("\n", " "))


def _text(text: str) -> str:
    return text.translate(_SPECIAL)


def _code(text: str) -> str:
    """A name that Markdown takes nothing from: entities where a code span could be broken out of."""
    if _PLAIN.fullmatch(text):
        return f"`{text}`"
    return f"<code>{text.translate(_ENTITIES)}</code>" if text.strip() else "<code>&nbsp;</code>"
