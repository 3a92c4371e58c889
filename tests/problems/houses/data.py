"""Made-up houses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DISTRICTS = ("harbour", "hill", "old town", "park", "suburb")


def write(folder: Path, parts: int) -> None:
    """Write ``parts`` times 600 houses into one file; the first ones are the same however many follow."""
    lines = ["house,area,rooms,district,built,price"]
    for part in range(parts):
        random = np.random.default_rng(part)
        for row in range(600):
            area, built = float(random.lognormal(4.6, 0.4)), int(random.integers(1890, 2024))
            district = int(random.integers(0, len(DISTRICTS)))
            price = area * (2500 + 600 * district + 8 * (built - 1890)) * float(random.lognormal(0, 0.15))
            rooms = "" if random.random() < 0.05 else str(max(1, round(area / 25)))
            sold = "" if random.random() < 0.03 else f"{price:.0f}"
            year = "" if random.random() < 0.1 else str(built)
            lines.append(f"{part * 600 + row + 1},{max(area, 12):.1f},{rooms},{DISTRICTS[district]},{year},{sold}")
    path = folder / "data/houses/houses.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
