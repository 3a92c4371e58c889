"""How every plot looks: one size, one style, one set of colours, the same bytes for the same numbers on any machine.

The colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people with any kind of colour vision
tell apart, and the text stays text, so that it can be searched and takes the page's font. 640 pixels wide, on white.
"""

from __future__ import annotations

import functools
import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

import numpy as np

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
LABEL_GAP = 5  # points between a mark and its label


P = ParamSpec("P")


def styled(draw: Callable[P, None]) -> Callable[P, None]:
    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> None:
        import matplotlib as mpl

        with mpl.rc_context():
            mpl.rcdefaults()  # a person's own matplotlibrc must not change the bytes
            mpl.rcParams.update(_STYLE)
            draw(*args, **kwargs)

    return styled


def figure_of(height: float, title: str) -> Figure:
    """An empty figure of ``height`` inches under a title that is the finding."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    title = textwrap.fill(title, _TITLE_CHARACTERS)
    figure = Figure(figsize=(_WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG."""
    title = " ".join(figure.get_suptitle().split())
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    # Laid out with the font that is the same everywhere, shown in the reader's own, which is no wider.
    path.write_text(text.getvalue().replace("'DejaVu Sans'", _FONT), encoding="utf-8")


def listed(names: Sequence[str]) -> str:
    """Names with commas between, and an "and" before the last."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def percent(axes: Axes, which: Literal["x", "y"]) -> None:
    """Write the numbers of an axis as percent."""
    from matplotlib.ticker import PercentFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))


def thin(points: int) -> np.ndarray:
    """Evenly spaced positions, the first and the last among them."""
    return np.unique(np.linspace(0, points - 1, min(points, _CURVE_POINTS)).astype(int))
