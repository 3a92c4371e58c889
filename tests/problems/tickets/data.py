"""Made-up tickets."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

TEAMS = ("billing", "network", "hardware", "accounts")
WORDS = (("invoice", "charge"), ("slow", "offline"), ("screen", "keyboard"), ("password", "login"))
MONDAY = date(2020, 12, 14)  # the third week after it is the first of 2021


def write(folder: Path, parts: int) -> None:
    """Write the first ``parts`` weeks of 400 tickets each."""
    (folder / "data/tickets").mkdir(parents=True, exist_ok=True)
    for part in range(parts):
        monday = MONDAY + timedelta(weeks=part)
        year, week, _ = monday.isocalendar()
        rows(part, monday).to_parquet(folder / f"data/tickets/{year}-W{week:02}.parquet", index=False)


def rows(part: int, monday: date) -> pd.DataFrame:
    """A week of tickets; a third of the words say nothing, and some people always ask for the same."""
    random = np.random.default_rng(part)
    team = random.integers(0, 4, 400)
    told = np.where(random.random(400) < 0.7, team, random.integers(0, 4, 400))
    text = [f"please help {WORDS[t][random.integers(0, 2)]} today" for t in told]
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime([monday + timedelta(days=int(d)) for d in random.integers(0, 7, 400)]),
            "ticket": part * 400 + np.arange(400),
            "sender": [f"person {4 * int(p) + t}" for p, t in zip(random.integers(0, 50, 400), team, strict=True)],
            "channel": random.choice(["mail", "phone", "web"], 400),
            "hour": random.integers(0, 24, 400) * 100,
            "minutes": random.exponential(30, 400).round(1),
            "text": text,
            "team": [TEAMS[t] for t in team],
        }
    )
    for column in ("sender", "channel", "minutes", "text", "team"):
        frame[column] = frame[column].mask(random.random(400) < 0.04)
    return frame
