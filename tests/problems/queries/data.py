"""Made-up results."""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path

import numpy as np

FIRST = date(2024, 2, 26)


def write(folder: Path, parts: int) -> None:
    """Write the first ``parts`` days of 40 queries each, some of which have nothing relevant."""
    (folder / "data/queries").mkdir(parents=True, exist_ok=True)
    for part in range(parts):
        day = FIRST + timedelta(days=part)
        random = np.random.default_rng(part)
        lines = []
        for query in range(part * 40, part * 40 + 40):
            for result in range(int(random.integers(4, 12))):
                match, age, source = random.random(), random.integers(0, 3000), random.integers(0, 3)
                worth = 3 * match - age / 2000 + 0.4 * source + random.normal(0, 0.4)
                grade = 0 if query % 10 == 0 else int(np.clip(worth, 0, 4))
                name = ("news", "shop", "wiki")[source]
                old = "" if random.random() < 0.05 else age
                lines.append(f"{day},{query},{result},{match:.3f},{old},{name},{grade}")
        random.shuffle(lines)  # a query's results need not stand together
        text = "\n".join(["day,query,result,match,age,source,grade", *lines]) + "\n"
        path = folder / f"data/queries/results-{day}.csv.gz"
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
