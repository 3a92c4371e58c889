"""A report as one HTML page that needs nothing else: no network, no script; light, dark and on paper."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

from slipway.plots.plots import BLUE, GRID, INK, MUTED, ORANGE, PALE, PAPER
from slipway.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Figure,
    Glyphs,
    Line,
    Paragraph,
    Section,
    Strong,
    inlines,
)

_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "card", BLUE: "blue", ORANGE: "orange", PALE: "pale"}
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --muted: #59636e; --grid: #d1d9e0; --card: #ffffff; --ground: #f6f8fa;
  --blue: #0072b2; --orange: #d55e00; --pale: #9ecae1; --good: #00795a; --bad: #c23b00; --neutral: #59636e; }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f6fc; --muted: #9198a1; --grid: #3d444d; --card: #151b23;
  --ground: #0d1117; --blue: #56b4e9; --orange: #ff9a57; --pale: #2f5d7c; --good: #3fc79a; --bad: #ff9a57;
  --neutral: #9198a1; } }
@media print { :root { --ground: #ffffff; } main { max-width: none; } section, .verdict, figure, tr
  { break-inside: avoid; } section, .verdict { box-shadow: none !important; } details > * { display: block; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 16px; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 0 0 12px; }
p { margin: 0 0 10px; }
ul { margin: 0 0 10px; padding-left: 20px; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: color-mix(in srgb,
  var(--grid) 40%, transparent); border-radius: 4px; padding: 1px 5px; overflow-wrap: anywhere; }
section, .verdict, .warning { background: var(--card); border: 1px solid var(--grid); border-radius: 10px;
  padding: 18px 20px; margin: 0 0 16px; }
.verdict { border-left: 6px solid var(--neutral); font-size: 16px; }
.verdict.good { border-left-color: var(--good); } .verdict.bad { border-left-color: var(--bad); }
.verdict p:last-child, .warning p:last-child { margin: 0; }
.warning { border-left: 6px solid var(--orange); }
.scroll { overflow-x: auto; margin: 0 0 10px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--muted); font-weight: 600; white-space: nowrap; }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.right { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:first-child code { white-space: nowrap; }
.glyphs { color: var(--blue); white-space: nowrap; letter-spacing: -.5px; }
summary { cursor: pointer; } summary b { font-size: 18px; }
details[open] summary { margin-bottom: 12px; }
figure { margin: 0; } figure svg { display: block; width: 100%; height: auto; max-width: 760px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 24px; }
footer { color: var(--muted); font-size: 13px; }
"""


def to_page(document: Document, plots: Path) -> str:
    """Write a report as HTML; ``plots`` is the folder whose SVG files are drawn into the page."""
    warnings = "".join(f'<div class="warning"><p>{_line(line)}</p></div>' for line in document.warnings)
    verdict = "".join(f"<p>{_line(line)}</p>" for line in document.verdict)
    sections = "".join(_section(section, plots) for section in document.sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        # Whatever a name in the data may try, this page loads nothing and runs nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{html.escape(document.title)}</h1>\n{warnings}"
        f'<div class="verdict {html.escape(document.tone)}">{verdict}</div>\n{sections}'
        f"<footer>{_line(document.origin)}</footer>\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section, plots: Path) -> str:
    drawn = [block for block in section.blocks if isinstance(block, Figure)]
    inside = "\n".join(_block(block) for block in section.blocks if not isinstance(block, Figure))
    if drawn:
        figures = "".join(_figure(figure, plots) for figure in drawn)
        inside += f'<div class="{"figures" if len(drawn) > 1 else "figure"}">{figures}</div>'
    if section.summary:
        head = f"<summary><b>{html.escape(section.title)}</b> {html.escape(section.summary)}</summary>"
        return f"<section><details open>{head}\n{inside}</details></section>\n"
    return f"<section><h2>{html.escape(section.title)}</h2>\n{inside}</section>\n"


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{_line(block.line)}</p>"
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{_line(line)}</li>" for line in block.lines) + "</ul>"
    assert not isinstance(block, Figure)
    kind = ['class="right"' if name in block.right else "" for name in block.head]
    head = "".join(
        f"<th {mark}>{html.escape(name)}</th>" if mark else f"<th>{html.escape(name)}</th>"
        for name, mark in zip(block.head, kind, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td {mark}>{_line(cell)}</td>" if mark else f"<td>{_line(cell)}</td>"
            for cell, mark in zip(row, kind, strict=True)
        )
        + "</tr>"
        for row in block.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _line(line: Line) -> str:
    parts = []
    for part in inlines(line):
        if isinstance(part, Code):
            parts.append(f"<code>{html.escape(part.text)}</code>")
        elif isinstance(part, Strong):
            parts.append(f"<strong>{html.escape(part.text)}</strong>")
        elif isinstance(part, Glyphs):
            parts.append(f'<span class="glyphs">{html.escape(part.text)}</span>')
        else:
            parts.append(html.escape(part if isinstance(part, str) else part.text))
    return "".join(parts)


def _figure(figure: Figure, plots: Path) -> str:
    text = inline_svg((plots / figure.name).read_text(encoding="utf-8"), Path(figure.name).stem)
    return f'<figure role="img" aria-label="{html.escape(figure.alt)}">{text}</figure>'


def inline_svg(text: str, prefix: str, variables: Mapping[str, str] = _VARIABLES) -> str:
    """An SVG file as a part of a page: without its prologue, its ids its own, its colours the page's."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    for colour, name in variables.items():
        text = re.sub(re.escape(colour), f"var(--{name})", text, flags=re.IGNORECASE)
    return text
