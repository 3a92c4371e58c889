"""Made-up visits."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from pathlib import Path

import numpy as np


def write(folder: Path, parts: int) -> None:
    """Write the first ``parts`` months of 800 visits each; of the last twenty days nothing is known."""
    (folder / "data/visits").mkdir(parents=True, exist_ok=True)
    last = date(2023, parts, monthrange(2023, parts)[1])
    for month in range(1, parts + 1):
        random = np.random.default_rng(month)
        lines = ["day,visitor,pages,device,bought"]
        for row in range(800):
            day = date(2023, month, 1 + row % monthrange(2023, month)[1])
            pages, phone = int(random.geometric(0.2)), random.random() < 0.5
            chance = 1 / (1 + np.exp(2.5 - 0.25 * pages + phone))
            bought = int(random.random() < chance) if day <= last - timedelta(days=20) else ""
            lines.append(f"{day},{random.integers(0, 300)},{pages},{'phone' if phone else 'desktop'},{bought}")
        (folder / f"data/visits/2023-{month:02}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
