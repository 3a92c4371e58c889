"""What lacks between two months is said, and never hidden behind "January to May"."""

from __future__ import annotations

import pytest

from slipway.stretches import gaps, gaps_in_words, in_words


@pytest.mark.parametrize(
    ("names", "words", "lacking"),
    [
        (["2013-01", "2013-02", "2013-03"], "2013-01 to 2013-03", []),
        (["2013-05", "2013-01", "2013-02"], "2013-01 to 2013-02, 2013-05", ["2013-03", "2013-04"]),
        (["2013-11", "2013-12", "2014-01", "2014-03"], "2013-11 to 2014-01, 2014-03", ["2014-02"]),
        (["2020-W52", "2020-W53", "2021-W01", "2021-W03"], "2020-W52 to 2021-W01, 2021-W03", ["2021-W02"]),
        (["2024-02-28", "2024-02-29", "2024-03-02"], "2024-02-28 to 2024-02-29, 2024-03-02", ["2024-03-01"]),
        (["all"], "all", []),
        (["a", "b"], "a, b", []),
        ([], "", []),
        (["9999-12-31"], "9999-12-31", []),
    ],
)
def test_what_follows_is_one_and_what_lacks_is_named(names: list[str], words: str, lacking: list[str]) -> None:
    assert (in_words(names), gaps(names)) == (words, lacking)


def test_a_gap_is_a_sentence_and_no_gap_is_none() -> None:
    assert gaps_in_words(["2013-01", "2013-02"]) == gaps_in_words([]) == ""
    said = gaps_in_words(["2013-01", "2013-05", "2013-07"])
    assert said == "There is a gap between 2013-01 and 2013-07: no 2013-02 to 2013-04, 2013-06."
    many = [f"2013-{month:02}-01" for month in range(1, 13)] + [f"2014-{month:02}-01" for month in range(1, 13)]
    assert gaps_in_words(many).endswith(" and 11 more.")
