"""The plots that people in each task's field look at: how the answers stand against what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from slipway.model.problem import PROBLEM
from slipway.plots.figure import BLUE, INK, MUTED, ORANGE, PALE, figure_of, percent, save, styled, thin
from slipway.problem import Binary, MultiClass, Ranking, Regression, ndcg
from slipway.problem.metrics import calibration

MOST_CLASSES = 12
_MANY, _ANSWER = PROBLEM.name.many, PROBLEM.name.answer


def draw_answers(
    folder: Path, name: str, answers: np.ndarray, predicted: np.ndarray, groups: np.ndarray | None
) -> None:
    """Draw the plots of the problem's task into ``folder``.

    Args:
        folder: exists already.
        name: what the hold-out is called.
        answers: shape (rows,).
        predicted: the model's, shape (rows,) or (rows, classes).
        groups: which rows are ranked together, shape (rows,).
    """
    task = PROBLEM.task
    if isinstance(task, Binary):
        draw_calibration(folder / "calibration.svg", name, answers, predicted)
        draw_curves(folder / "curves.svg", name, answers, predicted)
    elif isinstance(task, MultiClass):
        draw_confusion(folder / "confusion.svg", name, answers, predicted, task.classes)
        draw_confidence(folder / "confidence.svg", name, answers, predicted)
    elif isinstance(task, Regression):
        draw_predicted(folder / "predicted.svg", name, answers, predicted, task.unit)
        draw_residuals(folder / "residuals.svg", name, answers, predicted, task.unit)
    elif isinstance(task, Ranking):
        assert groups is not None
        draw_groups(folder / "groups.svg", name, answers, predicted, groups)


@styled
def draw_calibration(path: Path, name: str, answers: np.ndarray, probabilities: np.ndarray) -> None:
    """Predicted chance against what happened, with 95 % intervals (Wilson 1927) and the number of rows in each bin.

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
    figure = figure_of(
        4.3, f"Predictions are {says}: {probabilities.mean():.1%} expected {_ANSWER}, {answers.mean():.1%} were"
    )
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    upper.text(0.42, 0.45, "as predicted", color=MUTED, ha="right", va="bottom", fontsize=8.5)
    upper.vlines(predicted, low, high, color=BLUE, linewidth=1.4)
    upper.plot(predicted, observed, color=BLUE, linewidth=1.6, marker="o", markersize=5)
    upper.set(xlim=(0, 1), ylim=(0, 1.06))
    upper.set_title(f"share of the {_MANY} of {name} that were {_ANSWER}, with 95 % intervals")
    percent(upper, "y")
    lower.bar(np.arange(0.05, 1, 0.1), _held(predicted, rows), width=0.085, color=PALE)
    for place, count in zip(np.arange(0.05, 1, 0.1), _held(predicted, rows), strict=True):
        if count:
            lower.annotate(
                f"{int(count):,}", (place, count), (0, 2), textcoords="offset points",
                ha="center", va="bottom", color=MUTED, fontsize=8,
            )  # fmt: skip
    lower.set_ylim(0, rows.max() * 1.35)
    lower.set_title(f"{_MANY} in each bin")
    lower.set_yticks([])
    lower.grid(False)
    lower.set_xticks(np.arange(0, 1.01, 0.1))
    lower.set_xlabel(f"predicted chance of {_ANSWER}")
    percent(lower, "x")
    save(figure, path)


@styled
def draw_curves(path: Path, name: str, answers: np.ndarray, probabilities: np.ndarray) -> None:
    """ROC, and precision against recall."""
    curve = curves(answers, probabilities)
    half = curve["recall"][int(np.searchsorted(curve["recall"], 0.5))]
    precision = curve["precision"][int(np.searchsorted(curve["recall"], 0.5))]
    base = float(answers.mean(dtype=np.float64))
    figure = figure_of(
        3.6, f"To catch {half:.0%} of {_ANSWER} {_MANY}, {1 - precision:.0%} of the warnings are false alarms"
    )
    roc, pr = figure.subplots(1, 2)
    keep = thin(len(curve["recall"]))
    roc.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    roc.text(0.62, 0.54, "chance", color=MUTED, fontsize=8.5, ha="left", va="top")
    roc.plot(curve["false_alarms"][keep], curve["recall"][keep], color=BLUE, linewidth=1.8)
    roc.text(0.96, 0.08, f"AUC {curve['auc']:.3f}", color=BLUE, ha="right", fontsize=11, fontweight="bold")
    roc.set(xlim=(0, 1), ylim=(0, 1.01))
    roc.set_title(f"ROC on {name}: share of {_ANSWER} {_MANY} caught")
    roc.set_xlabel(f"share of the other {_MANY} warned of")
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
    pr.set_xlabel(f"share of {_ANSWER} {_MANY} caught (recall)")
    for axes in (roc, pr):
        percent(axes, "x")
        percent(axes, "y")
    save(figure, path)


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


@styled
def draw_confusion(path: Path, name: str, answers: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...]) -> None:
    """Which class is taken for which: each row's shares, of the classes that are met most."""
    true, said = answers.astype(int), predicted.argmax(axis=1)
    met = np.bincount(true, minlength=len(classes))
    shown = np.sort(np.argsort(-met, kind="stable")[:MOST_CLASSES])
    table = np.zeros((len(classes), len(classes)))
    np.add.at(table, (true, said), 1)
    shares = table / np.maximum(met, 1)[:, None]
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    worst = np.unravel_index(wrong.argmax(), wrong.shape)
    title = f"{(true == said).mean():.0%} of {_MANY} are told rightly"
    if wrong.any():
        title += f"; {classes[worst[0]]} is taken for {classes[worst[1]]} most"
    figure = figure_of(0.36 * len(shown) + 1.4, title)
    axes = figure.subplots()
    axes.imshow(shares[np.ix_(shown, shown)], cmap="Blues", vmin=0, vmax=1.35, aspect="auto")
    for row, actual in enumerate(shown):
        for column, guess in enumerate(shown):
            if table[actual, guess]:
                axes.text(
                    column, row, f"{shares[actual, guess]:.0%}", ha="center", va="center", fontsize=8,
                    color=INK, fontweight="bold" if actual == guess else "normal",
                )  # fmt: skip
    labels = [classes[place] for place in shown]
    axes.set_xticks(range(len(shown)), labels, rotation=30 if len(shown) > 5 else 0)
    axes.set_yticks(range(len(shown)), [f"{classes[place]}  {met[place]:,}" for place in shown])
    axes.grid(False)
    axes.set_title(f"{name}: of each {_ANSWER} (rows), what was predicted (columns)")
    save(figure, path)


@styled
def draw_confidence(path: Path, name: str, answers: np.ndarray, predicted: np.ndarray) -> None:
    """The chance of the most likely class against how often it was right, with 95 % intervals."""
    right = (predicted.argmax(axis=1) == answers).astype(float)
    sure = predicted.max(axis=1)
    gap = float(sure.mean(dtype=np.float64) - right.mean())
    says = "as sure as it should be" if abs(gap) < 0.01 else f"too {'sure' if gap > 0 else 'unsure'} by {abs(gap):.0%}"
    figure = figure_of(3.4, f"The model is {says}: {sure.mean():.0%} expected right, {right.mean():.0%} were")
    axes = figure.subplots()
    share, observed, rows = calibration(right, sure)
    low, high = _wilson(observed, rows)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.vlines(share, low, high, color=BLUE, linewidth=1.4)
    axes.plot(share, observed, color=BLUE, linewidth=1.6, marker="o", markersize=5)
    axes.set(xlim=(0, 1), ylim=(0, 1.06))
    axes.set_title(f"{name}: share that was right, with 95 % intervals")
    axes.set_xlabel("predicted chance of the most likely one")
    percent(axes, "x")
    percent(axes, "y")
    save(figure, path)


@styled
def draw_predicted(path: Path, name: str, answers: np.ndarray, predicted: np.ndarray, unit: str) -> None:
    """What was predicted against what was: the middle, and the spans of half and of nine tenths of the answers."""
    off = predicted.astype(np.float64) - answers
    half = float(np.median(np.abs(off)))
    share = half / (float(np.median(np.abs(answers))) or 1.0)
    title = f"Half of the predictions are within {_number(half)}{_of(unit)} ({share:.0%} of the median {_ANSWER})"
    figure = figure_of(4.0, title)
    axes = figure.subplots()
    order = np.argsort(predicted, kind="stable")
    bins = [part for part in np.array_split(order, min(20, max(1, len(order) // 10))) if len(part)]
    middle = np.array([np.median(predicted[part]) for part in bins])
    spans = np.array([np.quantile(answers[part], [0.05, 0.25, 0.5, 0.75, 0.95]) for part in bins])
    low, high = float(min(middle.min(), spans.min())), float(max(middle.max(), spans.max()))
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.vlines(middle, spans[:, 0], spans[:, 4], color=PALE, linewidth=2)
    axes.vlines(middle, spans[:, 1], spans[:, 3], color=BLUE, linewidth=3)
    axes.plot(middle, spans[:, 2], color=ORANGE, marker="o", markersize=4, linestyle="none")
    axes.set_title(f"{_ANSWER} on {name}: median, half and nine tenths of those predicted alike")
    axes.set_xlabel(f"predicted {_ANSWER}{_in(unit)}")
    save(figure, path)


@styled
def draw_residuals(path: Path, name: str, answers: np.ndarray, predicted: np.ndarray, unit: str) -> None:
    """How far predictions are off, and which way."""
    off = predicted.astype(np.float64) - answers
    mean = float(off.mean())
    way = "high" if mean > 0 else "low"
    error = float(off.std()) / max(np.sqrt(len(off)), 1)
    title = (
        f"Predictions are {_number(abs(mean))}{_of(unit)} too {way} on average"
        if abs(mean) > 2 * error
        else "Predictions are about right on average"
    )
    figure = figure_of(3.2, title)
    axes = figure.subplots()
    low, high = np.quantile(off, [0.01, 0.99])
    if low == high:
        low, high = low - 1, high + 1
    counts, edges = np.histogram(np.clip(off, low, high), bins=40, range=(float(low), float(high)))
    axes.bar((edges[1:] + edges[:-1]) / 2, counts, width=np.diff(edges) * 0.92, color=PALE)
    axes.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.axvline(mean, color=ORANGE, linewidth=1.6)
    axes.set_title(f"{_MANY} of {name}; the outermost bars hold the hundredth beyond them")
    axes.set_xlabel(f"predicted minus actual {_ANSWER}{_in(unit)}")
    save(figure, path)


@styled
def draw_groups(path: Path, name: str, answers: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> None:
    """NDCG of each group, and how relevant the rows at each rank are."""
    order = np.lexsort((-scores, groups))
    grouped = groups[order]
    starts = np.flatnonzero(np.append(True, grouped[1:] != grouped[:-1]))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    pieces = np.split(order, starts[1:])
    each = np.array([ndcg(answers[piece], scores[piece], None, groups[piece]) for piece in pieces])
    each = each[~np.isnan(each)]
    bad = (each < 0.5).mean() if len(each) else 0.0
    figure = figure_of(3.4, f"{bad:.0%} of {len(each):,} groups are ordered badly (NDCG below 0.5)")
    left, right = figure.subplots(1, 2)
    left.hist(each, bins=20, range=(0, 1), color=PALE)
    if len(each):
        left.axvline(each.mean(), color=ORANGE, linewidth=1.6)
    left.set_title(f"groups of {name} by {ndcg.title}")
    top = range(min(10, int(rank.max()) + 1))
    means = [answers[order][rank == place].mean() for place in top]
    right.bar([place + 1 for place in top], means, color=BLUE, width=0.8)
    right.axhline(answers.mean(), color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    right.set_title(f"mean {_ANSWER} by rank; dashed: of all")
    save(figure, path)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _of(unit: str) -> str:
    return f" {unit}" if unit else ""


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _held(predicted: np.ndarray, rows: np.ndarray, bins: int = 10) -> np.ndarray:
    """The rows of all bins, of which calibration() gives only those that have some."""
    held = np.zeros(bins)
    held[np.minimum((predicted * bins).astype(int), bins - 1)] = rows
    return held


def _wilson(shares: np.ndarray, rows: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    centre = (shares + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * np.sqrt(shares * (1 - shares) / rows + z**2 / (4 * rows**2))
    return centre - reach, centre + reach
