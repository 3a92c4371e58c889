"""Plots as SVG: what a score alone does not say. The same bytes for the same numbers, on any machine.

Every title is the finding, in words and numbers; lines and bars are labelled where they stand. The colours are those
of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people with any kind of colour vision tell apart, and the
text stays text, so that it can be searched and takes the page's font. 640 pixels wide, on a white ground.
"""

from __future__ import annotations

import functools
import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

import numpy as np

from slipway.learning.metrics import calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
BLUE, ORANGE, PALE = "#0072b2", "#d55e00", "#9ecae1"
COLOURS = (INK, MUTED, GRID, PAPER, BLUE, ORANGE, PALE)
"""Every colour that is drawn with: a page may put its own in their place, for a dark ground."""

_WIDTH = 640 / 96  # inches, at CSS's 96 pixels an inch
_FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "slipway",  # else the ids inside an SVG are random
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # ships with matplotlib: the layout is the same on every machine
    "font.size": 9,
    "text.parse_math": False,  # a name may hold a dollar sign
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlecolor": MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
}
_TITLE_CHARACTERS = 78
_CURVE_POINTS = 300  # more cannot be seen, and would be bytes in every pull request's page
_SURE, _VAGUE = 0.05, 0.1  # standard errors of an AUC: to be spoken of below the first, not even drawn above the second
_LABEL_GAP = 5  # points between a mark and its label


P = ParamSpec("P")


def _styled(draw: Callable[P, None]) -> Callable[P, None]:
    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> None:
        import matplotlib as mpl

        with mpl.rc_context():
            mpl.rcdefaults()  # a person's own matplotlibrc must not change the bytes
            mpl.rcParams.update(_STYLE)
            draw(*args, **kwargs)

    return styled


def draw_all(
    folder: Path, name: str, answers: np.ndarray, probabilities: np.ndarray, metrics: dict[str, Any], details: Any
) -> None:
    """Draw every plot of an evaluation into ``folder``.

    Args:
        folder: exists already.
        name: what the hold-out is called.
        answers: 0 or 1, shape (rows,).
        probabilities: the model's, shape (rows,).
        metrics: what reports/metrics.json holds.
        details: what reports/slices.json holds.
    """
    draw_calibration(folder / "calibration.svg", name, answers, probabilities)
    draw_curves(folder / "curves.svg", name, answers, probabilities)
    draw_months(folder / "months.svg", details["slices"]["month"])
    slices = {kind: entries for kind, entries in details["slices"].items() if kind != "month"}
    draw_slices(folder / "slices.svg", name, slices, metrics)
    draw_importance(folder / "importance.svg", details["importance"])


@_styled
def draw_calibration(path: Path, name: str, answers: np.ndarray, probabilities: np.ndarray) -> None:
    """Predicted chance against what happened, with 95 % intervals (Wilson 1927) and the number of flights in each bin.

    https://doi.org/10.1080/01621459.1927.10502953
    """
    predicted, observed, rows = calibration(answers, probabilities)
    low, high = _wilson(observed, rows)
    gap = float(probabilities.mean(dtype=np.float64) - answers.mean(dtype=np.float64))
    says = (
        "about right"
        if abs(gap) < 0.005
        else f"{abs(gap):.1%} points too {'high' if gap > 0 else 'low'}".replace("% points", " points")
    )
    figure = _figure(
        4.3, f"Predictions are {says}: {probabilities.mean():.1%} expected late, {answers.mean():.1%} were"
    )
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    upper.text(0.42, 0.45, "as predicted", color=MUTED, ha="right", va="bottom", fontsize=8.5)
    upper.vlines(predicted, low, high, color=BLUE, linewidth=1.4)
    upper.plot(predicted, observed, color=BLUE, linewidth=1.6, marker="o", markersize=5)
    upper.set(xlim=(0, 1), ylim=(0, 1.06))
    upper.set_title(f"share of {name}'s flights that were late, with 95 % intervals")
    _percent(upper, "y")
    lower.bar(np.arange(0.05, 1, 0.1), _held(predicted, rows), width=0.085, color=PALE)
    for place, count in zip(np.arange(0.05, 1, 0.1), _held(predicted, rows), strict=True):
        if count:
            lower.annotate(
                f"{int(count):,}", (place, count), (0, 2), textcoords="offset points",
                ha="center", va="bottom", color=MUTED, fontsize=8,
            )  # fmt: skip
    lower.set_ylim(0, rows.max() * 1.35)
    lower.set_title("flights in each bin")
    lower.set_yticks([])
    lower.grid(False)
    lower.set_xticks(np.arange(0, 1.01, 0.1))
    lower.set_xlabel("predicted chance of being late")
    _percent(lower, "x")
    _save(figure, path)


@_styled
def draw_curves(path: Path, name: str, answers: np.ndarray, probabilities: np.ndarray) -> None:
    """ROC, and precision against recall."""
    curve = curves(answers, probabilities)
    half = curve["recall"][int(np.searchsorted(curve["recall"], 0.5))]
    precision = curve["precision"][int(np.searchsorted(curve["recall"], 0.5))]
    base = float(answers.mean(dtype=np.float64))
    figure = _figure(3.6, f"To catch {half:.0%} of late flights, {1 - precision:.0%} of the warnings are false alarms")
    roc, pr = figure.subplots(1, 2)
    keep = _thin(len(curve["recall"]))
    roc.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    roc.text(0.62, 0.54, "chance", color=MUTED, fontsize=8.5, ha="left", va="top")
    roc.plot(curve["false_alarms"][keep], curve["recall"][keep], color=BLUE, linewidth=1.8)
    roc.text(0.96, 0.08, f"AUC {curve['auc']:.3f}", color=BLUE, ha="right", fontsize=11, fontweight="bold")
    roc.set(xlim=(0, 1), ylim=(0, 1.01))
    roc.set_title(f"ROC on {name}: share of late flights caught")
    roc.set_xlabel("share of punctual flights warned of")
    pr.axhline(base, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    pr.text(0.985, base - 0.02, f"no skill: {base:.1%}", color=MUTED, ha="right", va="top", fontsize=8.5)
    seen = keep[curve["recall"][keep] > 0]
    pr.plot(curve["recall"][seen], curve["precision"][seen], color=BLUE, linewidth=1.8)
    pr.plot([half], [precision], color=ORANGE, marker="o", markersize=6, linestyle="none")
    pr.annotate(
        f"{precision:.0%} right at {half:.0%} caught", (half, precision), (7, 7), textcoords="offset points",
        color=ORANGE, fontsize=9,
    )  # fmt: skip
    pr.text(
        0.97, 0.92, f"average precision {curve['average_precision']:.3f}", color=BLUE, ha="right", fontsize=11,
        fontweight="bold",
    )  # fmt: skip
    pr.set(xlim=(0, 1), ylim=(0, 1.01))
    pr.set_title("Precision: share of warnings that are right")
    pr.set_xlabel("share of late flights caught (recall)")
    for axes in (roc, pr):
        _percent(axes, "x")
        _percent(axes, "y")
    _save(figure, path)


def curves(answers: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """The points of ROC and precision-recall at every threshold, from none warned of to all.

    Returns:
        ``recall``, ``false_alarms`` and ``precision`` of shape (thresholds + 1,), ``auc``, and ``average_precision``:
        the sum of precision times the gain in recall, without interpolation (scikit-learn's definition).
    """
    order = np.argsort(-probabilities, kind="stable")
    sorted_answers, sorted_probabilities = answers[order].astype(np.float64), probabilities[order]
    last_of_tie = np.append(sorted_probabilities[1:] != sorted_probabilities[:-1], True)
    caught = np.cumsum(sorted_answers)[last_of_tie]
    warned = np.flatnonzero(last_of_tie) + 1.0
    recall = np.concatenate([[0.0], caught / caught[-1]])
    false_alarms = np.concatenate([[0.0], (warned - caught) / (warned[-1] - caught[-1])])
    precision = np.concatenate([[1.0], caught / warned])
    return {
        "recall": recall,
        "false_alarms": false_alarms,
        "precision": precision,
        "auc": float(np.trapezoid(recall, false_alarms)),
        "average_precision": float((np.diff(recall) * precision[1:]).sum()),
    }


@_styled
def draw_months(path: Path, months: Sequence[dict[str, Any]]) -> None:
    """AUC and the late rate, month by month; the months the model has learnt from are hollow."""
    told = [month for month in months if month["auc"] is not None]
    learnt = [month["auc"] for month in told if month["learnt"]]
    title = " and ".join(
        [f"{month['auc']:.2f} on {month['name']}" for month in told if not month["learnt"]][-2:]
        + ([f"{np.mean(learnt):.2f} on the months it learnt from"] if learnt else [])
    )
    figure = _figure(4.2, f"AUC {title}")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.1, 1])
    places = np.arange(len(months))
    area = np.array([np.nan if month["auc"] is None else month["auc"] for month in months])
    error = 1.96 * np.array([month["auc_error"] or np.nan for month in months])
    upper.axhline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    upper.text(places[0] - 0.35, 0.505, "chance", color=MUTED, fontsize=8.5, va="bottom")
    upper.plot(places, area, color=GRID, linewidth=1.5)
    for place, month in zip(places, months, strict=True):
        if not np.isfinite(area[place]):
            continue
        colour = MUTED if month["learnt"] else BLUE
        upper.errorbar(
            place, area[place], error[place], color=colour, marker="o", markersize=7,
            markerfacecolor=PAPER if month["learnt"] else colour, linewidth=1.4,
        )  # fmt: skip
        upper.annotate(
            f"{area[place]:.3f}" + ("" if month["learnt"] else "\nheld out"), (place, area[place] - error[place]),
            (0, -_LABEL_GAP), textcoords="offset points", ha="center", va="top", color=colour, fontsize=8.5,
        )  # fmt: skip
    upper.set(
        xlim=(-0.45, len(months) - 1 + max(0.45, len(months) / 14)),
        ylim=(0.45, max(0.9, float(np.nanmax(area + error)) + 0.03)),
    )
    upper.set_title("AUC with 95 % intervals; hollow: learnt from, so flattering")
    for key, colour, label in (("base_rate", ORANGE, "were late"), ("predicted_rate", BLUE, "expected late")):
        rate = np.array([month[key] for month in months])
        lower.plot(places, rate, color=colour, linewidth=1.8, marker="o", markersize=4)
        above = rate[-1] >= max(months[-1]["base_rate"], months[-1]["predicted_rate"])
        lower.annotate(
            label, (places[-1], rate[-1]), (0, 7 if above else -7), textcoords="offset points", color=colour,
            ha="center", va="bottom" if above else "top", fontsize=9,
        )  # fmt: skip
    top = max(max(month["base_rate"], month["predicted_rate"]) for month in months)
    lower.set_ylim(0, top * 1.25 or 1)
    lower.set_title("share of flights")
    lower.set_xticks(places, [f"{month['name']}\n{month['rows']:,} flights" for month in months])
    if len(months) > 6:
        lower.set_xticks(places, [month["name"][2:] for month in months])
    _percent(lower, "y")
    _save(figure, path)


@_styled
def draw_slices(path: Path, name: str, slices: dict[str, list[dict[str, Any]]], overall: dict[str, Any]) -> None:
    """AUC with its 95 % interval and the late rates, for each value of each slicing column."""
    entries = [(kind, entry) for kind in slices for entry in slices[kind]]
    judged = [(kind, entry) for kind, entry in entries if entry["auc"] is not None and entry["auc_error"]]
    sure = [(kind, entry) for kind, entry in judged if entry["auc_error"] < _SURE] or judged
    worst = min(sure, key=lambda pair: pair[1]["auc"], default=None)
    title = "No slice has both late and punctual flights"
    if worst:
        kind, entry = worst
        title = f"Weakest {kind}: {entry['name']}, AUC {entry['auc']:.2f} against {overall['auc']:.2f} overall"
    figure = _figure(0.235 * (len(entries) + len(slices)) + 1.05, title)
    left, right = figure.subplots(1, 2, sharey=True)
    place, ticks, labels = 0, [], []
    left.axvline(overall["auc"], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for kind in slices:
        ticks.append(place)
        labels.append(kind.upper())
        place += 1
        for entry in slices[kind]:
            _draw_slice(left, right, place, entry)
            ticks.append(place)
            labels.append(f"{entry['name']}  {entry['rows']:,}")
            place += 1
    left.set_yticks(ticks, labels)
    for tick, label in zip(ticks, left.get_yticklabels(), strict=True):
        if labels[ticks.index(tick)] in {kind.upper() for kind in slices}:
            label.set(color=INK, fontweight="bold", fontsize=8)
    left.set_ylim(place - 0.4, -0.6)
    left.set_xlim(0.4, 1.0)
    left.set_title(f"AUC on {name}, 95 % interval")
    left.grid(axis="y", visible=False)
    right.grid(axis="y", visible=False)
    right.set_title("late: bars happened, ticks were expected")
    right.set_xlim(left=0)
    _percent(right, "x")
    _save(figure, path)


def _draw_slice(left: Axes, right: Axes, place: int, entry: dict[str, Any]) -> None:
    if entry["auc"] is None:
        left.text(0.42, place, "only one kind of answer", color=MUTED, va="center", fontsize=8)
    elif not entry["auc_error"] or entry["auc_error"] > _VAGUE:
        left.text(0.42, place, "too few flights to tell", color=MUTED, va="center", fontsize=8)
    else:
        reach = 1.96 * entry["auc_error"]
        shade = MUTED if entry["auc_error"] >= _SURE else BLUE
        left.hlines(place, max(entry["auc"] - reach, 0.4), min(entry["auc"] + reach, 1.0), color=shade, linewidth=1.4)
        left.plot([entry["auc"]], [place], marker="o", markersize=5, color=shade, linestyle="none")
    right.barh(place, entry["base_rate"], height=0.62, color=PALE)
    right.vlines(entry["predicted_rate"], place - 0.4, place + 0.4, color=ORANGE, linewidth=2)
    right.annotate(
        f"{entry['base_rate']:.0%}", (max(entry["base_rate"], entry["predicted_rate"]), place), (_LABEL_GAP, 0),
        textcoords="offset points", va="center", color=MUTED, fontsize=8,
    )  # fmt: skip


@_styled
def draw_importance(path: Path, importance: Sequence[dict[str, Any]]) -> None:
    """Each feature's share of the gain: the members' mean as a bar, their least and most as a line."""
    first = importance[:3]
    names = _listed([entry["feature"] for entry in first])
    share = sum(entry["share"] for entry in first)
    figure = _figure(0.235 * len(importance) + 0.95, f"{names} bring {share:.0%} of the gain")
    axes = figure.subplots()
    for place, entry in enumerate(importance):
        axes.barh(place, entry["share"], height=0.66, color=PALE)
        axes.hlines(place, entry["least"], entry["most"], color=BLUE, linewidth=1.6)
        axes.annotate(
            f"{entry['share']:.1%}", (max(entry["share"], entry["most"]), place), (_LABEL_GAP, 0),
            textcoords="offset points", va="center", color=MUTED, fontsize=8.5,
        )  # fmt: skip
    axes.set_yticks(range(len(importance)), [entry["feature"] for entry in importance])
    axes.set_ylim(len(importance) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, max(max(entry["most"] for entry in importance) * 1.12, 0.01))
    axes.set_title("share of all loss reduction (total gain); bar: mean of the members, line: least to most")
    _percent(axes, "x")
    _save(figure, path)


@_styled
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
    named = _listed([panel["name"] for panel in moved[:3]] + (["others"] if len(moved) > 3 else []))
    title = f"{named} moved" if moved else "No column moved by more than the warning level"
    rows = -(-len(panels) // 3)
    figure = _figure(1.42 * rows + 0.65, title)
    grid = np.atleast_2d(figure.subplots(rows, 3, squeeze=False))
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, panel)
    figure.supxlabel(f"bars: {before} · line: {after} · number: population stability index", color=MUTED, fontsize=9)
    _save(figure, path)


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


def _figure(height: float, title: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    title = textwrap.fill(title, _TITLE_CHARACTERS)
    figure = Figure(figsize=(_WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def _save(figure: Figure, path: Path) -> None:
    title = " ".join(figure.get_suptitle().split())
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    # Laid out with the font that is the same everywhere, shown in the reader's own, which is no wider.
    path.write_text(text.getvalue().replace("'DejaVu Sans'", _FONT), encoding="utf-8")


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _percent(axes: Axes, which: Literal["x", "y"]) -> None:
    from matplotlib.ticker import PercentFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))


def _thin(points: int) -> np.ndarray:
    """Evenly spaced positions, the first and the last among them."""
    return np.unique(np.linspace(0, points - 1, min(points, _CURVE_POINTS)).astype(int))


def _held(predicted: np.ndarray, rows: np.ndarray, bins: int = 10) -> np.ndarray:
    """The rows of all bins, of which calibration() gives only those that have some."""
    held = np.zeros(bins)
    held[np.minimum((predicted * bins).astype(int), bins - 1)] = rows
    return held


def _wilson(shares: np.ndarray, rows: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    centre = (shares + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * np.sqrt(shares * (1 - shares) / rows + z**2 / (4 * rows**2))
    return centre - reach, centre + reach
