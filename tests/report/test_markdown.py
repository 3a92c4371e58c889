"""Whatever stands in a name, a comment on GitHub shows it as it is: no markup, no link, no picture, nobody called."""

from __future__ import annotations

import pytest

from slipway.report.document import (
    Block,
    Bullets,
    Code,
    Folded,
    Heading,
    Inline,
    Link,
    Paragraph,
    Quote,
    Strong,
    Table,
    Verbatim,
    sentence,
)
from slipway.report.markdown import line, message, title
from tests.report.reader import HOSTILE, as_shown, harmless


def one_space(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", [str, Code, Strong])
def test_a_name_is_shown_as_it_is_wherever_it_stands(text: str, kind: type) -> None:
    name: Inline = kind(text)
    blocks: list[Block | Heading | Quote | Folded] = [
        Heading(name),
        Quote(name),
        Quote(name, warning=True),
        Paragraph(name),
        Bullets([name, ("so: ", name)]),
        Bullets([name], numbered=True),
        Table(["a", text], [[name, "b"]]),
        Folded(text, [Paragraph(name)]),
    ]
    for block in blocks:
        shown = one_space(harmless(message(block, Paragraph("the end"))))
        assert one_space(as_shown(text)) in shown and shown.endswith("the end"), block
    assert one_space(harmless(line(name))) == one_space(as_shown(text))


def test_the_case_that_called_a_company_and_loaded_a_picture() -> None:
    carrier = HOSTILE[0]
    said = message(
        Quote(sentence(f"data/flights/2013-06.csv: column carrier, line 2: found {carrier!r}; see `schema`"))
    )
    assert f"found {carrier!r}; see schema" in harmless(said)
    assert "`schema`" in said


def test_a_link_ends_where_it_is_meant_to_and_leads_to_the_web_alone() -> None:
    assert (
        line(Link("fix/#12", "https://x.example/tree/fix/%2312", code=True))
        == "[`fix/#12`](https://x.example/tree/fix/%2312)"
    )
    assert line(Link("a", "https://x.example/a b)(c>")) == "[a](https://x.example/a%20b%29%28c%3E)"
    assert harmless(line(Link("a", "javascript:alert(1)"))).strip() == harmless(line(Link("a", ""))).strip() == "a"


@pytest.mark.parametrize("text", [*HOSTILE, "```\n</details>\n````x\n# no"])
def test_what_is_verbatim_stays_so(text: str) -> None:
    shown = harmless(message(Verbatim(text), Paragraph("the end")))
    assert shown.rstrip().endswith("the end")
    assert one_space(text.replace("\u202e", "\ufffd")) in one_space(shown)


def test_numbers_and_times_are_left_alone() -> None:
    text = "AUC 0.7519 (+0.0087) at 13:01:39 of flight-delay/2, 95% a+b=c"
    assert line(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_title_calls_nobody_and_closes_nothing(text: str) -> None:
    written = title(text)
    assert written.replace("\u200b", "") == as_shown(text).replace("\n", " ")
    assert "\n" not in written
    for found in ("@octo", "#12", "#13", "GH-14"):
        assert found not in written


@pytest.mark.parametrize("theirs", ["found '`x`'", "`` ` ```", "a`b", "`'`"])
def test_backticks_of_somebody_else_are_shown(theirs: str) -> None:
    assert harmless(line(*sentence(f"{theirs}: run `dvc push`"))).strip() == f"{theirs}: run dvc push"
