"""Plots as SVG: what a score alone does not say. The same bytes for the same numbers, on any machine.

Every title is the finding, in words and numbers; lines and bars are labelled where they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.model.problem import PROBLEM
from slipway.plots.figure import (
    BLUE,
    GRID,
    INK,
    LABEL_GAP,
    MUTED,
    ORANGE,
    PALE,
    PAPER,
    figure_of,
    listed,
    percent,
    save,
    styled,
)  # fmt: skip
from slipway.plots.tasks import draw_answers
from slipway.problem import Binary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METRIC, _MANY, _ANSWER = PROBLEM.decides, PROBLEM.name.many, PROBLEM.name.answer
_SURE, _VAGUE = 0.2, 0.4
"""Standard errors, as a share of what a score lies above chance: to be spoken of below the first, and not even drawn
above the second."""


def draw_all(folder: Path, held: Any, metrics: dict[str, Any], details: Any) -> None:
    """Draw every plot of an evaluation into ``folder``.

    Args:
        folder: exists already.
        held: the hold-out, scored: :class:`slipway.learning.evaluate.Scored`.
        metrics: what reports/metrics.json holds.
        details: what reports/slices.json holds.
    """
    draw_answers(folder, held.name, held.answers, held.predicted, held.groups)
    if len(details["parts"]) > 1:
        draw_parts(folder / "parts.svg", details["parts"])
    if any(details["slices"].values()):
        draw_slices(folder / "slices.svg", held.name, details["slices"], metrics)
    draw_importance(folder / "importance.svg", details["importance"])


def spread(entries: Sequence[dict[str, Any]]) -> float:
    """How far scores lie above chance, or from one another: the scale that an error is held against."""
    scores = [entry[_METRIC.name] for entry in entries if entry[_METRIC.name] is not None]
    if not scores:
        return 1.0
    return abs(float(np.median(scores)) - (_METRIC.chance or 0.0)) or 1.0


@styled
def draw_parts(path: Path, parts: Sequence[dict[str, Any]]) -> None:
    """What decides, and the answers' mean, part by part; the parts the model has learnt from are hollow."""
    scores = np.array([np.nan if part[_METRIC.name] is None else part[_METRIC.name] for part in parts])
    told = [(part, score) for part, score in zip(parts, scores, strict=True) if np.isfinite(score)]
    learnt = [score for part, score in told if part["learnt"]]
    title = " and ".join(
        [f"{score:.3g} on {part['name']}" for part, score in told if not part["learnt"]][-2:]
        + ([f"{np.mean(learnt):.3g} on the {PROBLEM.parts.words} it learnt from"] if learnt else [])
    )
    means = "mean_answer" in parts[0]
    figure = figure_of(4.2 if means else 2.7, f"{_METRIC.title} {title}")
    grid = figure.subplots(1 + means, 1, sharex=True, squeeze=False)[:, 0]
    _draw_scores(grid[0], parts, scores)
    if means:
        _draw_means(grid[1], parts)
    grid[-1].set_xticks(range(len(parts)), [f"{part['name']}\n{part['rows']:,} {_MANY}" for part in parts])
    if len(parts) > 6:
        every = -(-len(parts) // 12)
        grid[-1].set_xticks(range(0, len(parts), every), [part["name"] for part in parts[::every]])
    save(figure, path)


def _draw_scores(axes: Axes, parts: Sequence[dict[str, Any]], scores: np.ndarray) -> None:
    error = 1.96 * np.array([part["error"] or 0.0 for part in parts])
    if _METRIC.chance is not None:
        axes.axhline(_METRIC.chance, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(-0.35, _METRIC.chance, "chance", color=MUTED, fontsize=8.5, va="bottom")
    axes.plot(range(len(parts)), scores, color=GRID, linewidth=1.5)
    for place, part in enumerate(parts):
        if not np.isfinite(scores[place]):
            continue
        colour = MUTED if part["learnt"] else BLUE
        axes.errorbar(
            place, scores[place], error[place], color=colour, marker="o", markersize=7,
            markerfacecolor=PAPER if part["learnt"] else colour, linewidth=1.4,
        )  # fmt: skip
        if len(parts) <= 14 or not part["learnt"]:
            said = f"{scores[place]:.3g}" + ("" if part["learnt"] else "\nheld out")
            axes.annotate(
                said, (place, scores[place] - error[place]), (0, -LABEL_GAP), textcoords="offset points", ha="center",
                va="top", color=colour, fontsize=8.5,
            )  # fmt: skip
    held = np.isfinite(scores)
    ends = [
        *(scores[held] - error[held]),
        *(scores[held] + error[held]),
        *([_METRIC.chance] * (_METRIC.chance is not None)),
    ]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    room = (high - low) or abs(high) or 1.0
    axes.set(xlim=(-0.45, len(parts) - 1 + max(0.45, len(parts) / 14)), ylim=(low - 0.45 * room, high + 0.15 * room))
    axes.set_title(f"{_METRIC.title} with 95 % intervals; hollow: learnt from, so flattering")


def _draw_means(axes: Axes, parts: Sequence[dict[str, Any]]) -> None:
    chances = isinstance(PROBLEM.task, Binary)
    words = (f"were {_ANSWER}", f"expected {_ANSWER}") if chances else (f"mean {_ANSWER}", "mean prediction")
    lines = [("mean_answer", ORANGE, words[0])]
    if "mean_prediction" in parts[0]:
        lines.append(("mean_prediction", BLUE, words[1]))
    for key, colour, label in lines:
        mean = np.array([part[key] for part in parts])
        axes.plot(range(len(parts)), mean, color=colour, linewidth=1.8, marker="o", markersize=4)
        above = mean[-1] >= max(parts[-1][other] for other, _, _ in lines)
        axes.annotate(
            label, (len(parts) - 1, mean[-1]), (0, 7 if above else -7), textcoords="offset points", color=colour,
            ha="center", va="bottom" if above else "top", fontsize=9,
        )  # fmt: skip
    every = [part[key] for part in parts for key, _, _ in lines]
    low, high = min(0.0, *every), max(0.0, *every)
    axes.set_ylim(low * 1.25, high * 1.25 if high > 0 else 1)
    axes.set_title(f"share of {_MANY}" if chances else f"{_ANSWER} of {_MANY}")
    if chances:
        percent(axes, "y")


@styled
def draw_slices(path: Path, name: str, slices: dict[str, list[dict[str, Any]]], overall: dict[str, Any]) -> None:
    """What decides with its 95 % interval, and the answers' means, for each value of each slicing column."""
    entries = [(kind, entry) for kind in slices for entry in slices[kind]]
    scale = spread([entry for _, entry in entries])
    judged = [(kind, entry) for kind, entry in entries if entry[_METRIC.name] is not None and entry["error"]]
    sure = [(kind, entry) for kind, entry in judged if entry["error"] < _SURE * scale] or judged
    title = f"{_METRIC.title} is defined in no slice"
    if sure:
        pick = min if _METRIC.higher_is_better else max
        kind, entry = pick(sure, key=lambda pair: pair[1][_METRIC.name])
        title = (
            f"Weakest {kind}: {entry['name']}, {_METRIC.title} {entry[_METRIC.name]:.3g} against "
            f"{overall[_METRIC.name]:.3g} overall"
        )
    figure = figure_of(0.235 * (len(entries) + len(slices)) + 1.05, title)
    means = "mean_answer" in overall
    grid = figure.subplots(1, 1 + means, sharey=True, squeeze=False)[0]
    left = grid[0]
    place, ticks, labels = 0, [], []
    left.axvline(overall[_METRIC.name], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for kind in slices:
        ticks.append(place)
        labels.append(kind.upper())
        place += 1
        for entry in slices[kind]:
            _draw_slice(left, place, entry, scale)
            if means:
                _draw_slice_mean(grid[1], place, entry)
            ticks.append(place)
            labels.append(f"{entry['name']}  {entry['rows']:,}")
            place += 1
    left.set_yticks(ticks, labels)
    for tick, label in zip(ticks, left.get_yticklabels(), strict=True):
        if labels[ticks.index(tick)] in {kind.upper() for kind in slices}:
            label.set(color=INK, fontweight="bold", fontsize=8)
    left.set_ylim(place - 0.4, -0.6)
    left.set_title(f"{_METRIC.title} on {name}, 95 % interval")
    for axes in grid:
        axes.grid(axis="y", visible=False)
    if means:
        chances = isinstance(PROBLEM.task, Binary)
        grid[1].set_title(
            f"{_ANSWER}: bars happened, ticks were expected" if chances else f"mean {_ANSWER}; ticks: predicted"
        )
        if chances:
            grid[1].set_xlim(left=0)
            percent(grid[1], "x")
    save(figure, path)


def _draw_slice(axes: Axes, place: int, entry: dict[str, Any], scale: float) -> None:
    score, error = entry[_METRIC.name], entry["error"]
    said = "not defined" if score is None else ""
    if not said and (not error or error > _VAGUE * scale):
        said = f"too few {_MANY} to tell"
    if said:
        axes.annotate(
            said, (0.02, place), xycoords=axes.get_yaxis_transform(), color=MUTED, va="center", fontsize=8
        )  # fmt: skip
        return
    shade = MUTED if error >= _SURE * scale else BLUE
    axes.hlines(place, score - 1.96 * error, score + 1.96 * error, color=shade, linewidth=1.4)
    axes.plot([score], [place], marker="o", markersize=5, color=shade, linestyle="none")


def _draw_slice_mean(axes: Axes, place: int, entry: dict[str, Any]) -> None:
    axes.barh(place, entry["mean_answer"], height=0.62, color=PALE)
    expected = entry.get("mean_prediction", entry["mean_answer"])
    if "mean_prediction" in entry:
        axes.vlines(expected, place - 0.4, place + 0.4, color=ORANGE, linewidth=2)
    shown = f"{entry['mean_answer']:.0%}" if isinstance(PROBLEM.task, Binary) else f"{entry['mean_answer']:.3g}"
    axes.annotate(
        shown, (max(entry["mean_answer"], expected), place), (LABEL_GAP, 0),
        textcoords="offset points", va="center", color=MUTED, fontsize=8,
    )  # fmt: skip


@styled
def draw_importance(path: Path, importance: Sequence[dict[str, Any]]) -> None:
    """Each feature's share of the gain: the members' mean as a bar, their least and most as a line."""
    first = importance[:3]
    names = listed([entry["feature"] for entry in first])
    share = sum(entry["share"] for entry in first)
    figure = figure_of(0.235 * len(importance) + 0.95, f"{names} bring {share:.0%} of the gain")
    axes = figure.subplots()
    for place, entry in enumerate(importance):
        axes.barh(place, entry["share"], height=0.66, color=PALE)
        axes.hlines(place, entry["least"], entry["most"], color=BLUE, linewidth=1.6)
        axes.annotate(
            f"{entry['share']:.1%}", (max(entry["share"], entry["most"]), place), (LABEL_GAP, 0),
            textcoords="offset points", va="center", color=MUTED, fontsize=8.5,
        )  # fmt: skip
    axes.set_yticks(range(len(importance)), [entry["feature"] for entry in importance])
    axes.set_ylim(len(importance) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, max(max(entry["most"] for entry in importance) * 1.12, 0.01))
    axes.set_title("share of all that was gained; bar: mean of the members, line: least to most")
    percent(axes, "x")
    save(figure, path)


@styled
def draw_drift(path: Path, panels: Sequence[dict[str, Any]], before: str, after: str) -> None:
    """Small multiples: the distribution of each column before and after.

    Args:
        path: the file to write.
        panels: one for each column, with ``name``, ``unit``, ``index`` (its population stability index), ``level``
            (``alert``, ``warning`` or ``""``), ``labels`` (of its buckets), ``numeric`` (are the buckets in order?),
            ``before`` and ``after`` (shares of the buckets) and ``missing`` (the share of missing values before and
            after).
        before: what the grey ground is.
        after: what the blue line is.
    """
    moved = [panel for panel in panels if panel["level"]]
    named = listed([panel["name"] for panel in moved[:3]] + (["others"] if len(moved) > 3 else []))
    title = f"{named} moved" if moved else "No column moved by more than the warning level"
    rows = -(-len(panels) // 3)
    figure = figure_of(1.42 * rows + 0.65, title)
    grid = np.atleast_2d(figure.subplots(rows, 3, squeeze=False))
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, panel)
    figure.supxlabel(f"bars: {before} · line: {after} · number: population stability index", color=MUTED, fontsize=9)
    save(figure, path)


def _draw_panel(axes: Axes, panel: dict[str, Any]) -> None:
    before, after = np.array(panel["before"]), np.array(panel["after"])
    colour = ORANGE if panel["level"] else BLUE
    places = np.arange(len(before))
    axes.bar(places, before, width=1.0 if panel["numeric"] else 0.8, color=GRID)
    if panel["numeric"]:
        axes.stairs(after, np.arange(len(after) + 1) - 0.5, color=colour, linewidth=1.6)
    else:
        axes.hlines(after, places - 0.4, places + 0.4, color=colour, linewidth=2)
    unit = f" ({panel['unit']})" if panel["unit"] else ""
    gap = len(before) + 0.5
    if any(panel["missing"]):
        axes.bar([gap], [panel["missing"][0]], width=0.8, color=GRID)
        axes.hlines([panel["missing"][1]], gap - 0.4, gap + 0.4, color=colour, linewidth=2)
    axes.set_title(
        f"{panel['name']}{unit}  {panel['index']:.2f}", color=colour if panel["level"] else INK,
        fontweight="bold" if panel["level"] else "normal", fontsize=8.5,
    )  # fmt: skip
    every = max(1, -(-len(places) // (3 if panel["numeric"] else 4))) if panel["numeric"] or len(places) > 7 else 1
    shown = list(places[::every])
    named = {place: panel["labels"][place] for place in shown}
    if any(panel["missing"]):
        named = {place: label for place, label in named.items() if place < gap - 2} | {gap: "none"}
    axes.set_xticks(list(named), list(named.values()), fontsize=7.5)
    axes.set_yticks([])
    axes.set_ylim(0, max([*before, *after, *panel["missing"]]) * 1.1 or 1)
    axes.grid(False)
    axes.spines["left"].set_visible(False)
