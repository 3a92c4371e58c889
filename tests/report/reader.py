"""Reads Markdown as GitHub does: CommonMark with tables, and then once more over the text that comes of it."""

from __future__ import annotations

import re
from html import unescape

from markdown_it import MarkdownIt

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_CODE = re.compile(r"<code[^>]*>.*?</code>", re.DOTALL)
_OURS = re.compile(
    r"</?(?:h[1-6]|p|ul|ol|li|blockquote|strong|em|code|pre|sub|b|details|summary|span|hr|br|table|thead|tbody|tr|th|td)"
    r"(?: (?:class|style)=\"[\w:-]+\"| start=\"\d+\")*(?: /)?>"
)
_SEEN_AFTERWARDS = re.compile(
    r"@\w"  # a mention
    r"|#\d|\bGH-\d"  # an issue
    r"|://|\bwww\."  # a link
    r"|:(?!\d\d:)[\w+-]+:"  # a picture
    r"|\$\S.*\S\$"  # mathematics
    r"|[\x00-\x08\u202a-\u202e\u2066-\u2069]",  # what nobody sees
    re.IGNORECASE,
)
HOSTILE = [
    "@octo-org/everyone ![x](https://evil.example/p.png)",
    "<img src=//evil.example/p.png onerror=alert(1)><script>alert(1)</script><!-- ",
    "[click](https://evil.example) <https://evil.example> www.evil.example ftp://evil.example",
    "`` ` ``` </code></summary></details> | a | b |",
    "Fixes #12, fixes octo-org/orders#13, closes GH-14",
    "**bold** _it_ ~~no~~ &lt;b&gt; \\ $a$ $$b$$ :+1: :shipit:",
    "- [x] done",
    "1. one",
    "# heading",
    "> [!CAUTION]",
    "    code",
    "---",
    "===",
    "[ref]: https://evil.example",
    "two\r\n\n## lines\u2028three",
    "a\u202egnp.exe",
]
"""What may stand in a column, a branch, a tag or a commit's message."""


def harmless(markdown: str, *links: str) -> str:
    """The text that a reader sees, once it leads nowhere but to ``links``, loads nothing and calls nobody."""
    html = _PARSER.render(markdown)
    assert set(re.findall(r'<a href="([^"]*)">', html)) <= set(links), html
    page = re.sub(r'<a href="[^"]*">|</a>', "", html)
    text = _OURS.sub("", _CODE.sub("", page.replace("<span>$</span>", "<code>$</code>")))
    assert "<" not in text, text
    assert not (found := _SEEN_AFTERWARDS.search(unescape(text))), f"{found}: {text!r}"
    return unescape(_OURS.sub("", page)).replace("\u200b", "")


def as_shown(text: str) -> str:
    """``text`` on one line, with a sign in the place of what cannot be seen."""
    return re.sub("[\u202a-\u202e]", "\ufffd", re.sub("[\r\n\u2028]", " ", text))
