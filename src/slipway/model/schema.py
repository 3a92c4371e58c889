"""The columns of one month of flights: the declaration that everything else is derived from.

The data check, the features, ``schema.json`` beside a model, the server's refusals and the drift buckets all read this
table, so a column is described in one place. Times are local to New York; weather is what the origin airport reported
for the hour of the scheduled departure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["date", "clock", "integer", "number", "category", "text"]
"""``date`` is YYYY-MM-DD, ``clock`` is hours and minutes as HHMM (515 is a quarter past five)."""

CARRIERS = tuple("9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split())
ORIGINS = ("EWR", "JFK", "LGA")
DESTINATIONS = tuple(
    """ABQ ACK ALB ANC ATL AUS AVL BDL BGR BHM BNA BOS BQN BTV BUF BUR BWI BZN CAE CAK CHO CHS CLE CLT CMH CRW CVG
    DAY DCA DEN DFW DSM DTW EGE EYW FLL GRR GSO GSP HDN HNL HOU IAD IAH ILM IND JAC JAX LAS LAX LEX LGA LGB MCI
    MCO MDW MEM MHT MIA MKE MSN MSP MSY MTJ MVY MYR OAK OKC OMA ORD ORF PBI PDX PHL PHX PIT PSE PSP PVD PWM RDU
    RIC ROC RSW SAN SAT SAV SBN SDF SEA SFO SJC SJU SLC SMF SNA SRQ STL STT SYR TPA TUL TVC TYS XNA""".split()
)


@dataclass(frozen=True)
class Column:
    """One column: what it holds, what it may hold, and whether it is known before the flight leaves."""

    name: str
    kind: Kind
    description: str
    known_before_departure: bool = True
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    unit: str = ""

    def expectation(self) -> str:
        """What a value must be, in words: the second half of every refusal."""
        within = "" if self.minimum is None else f" from {self.minimum:g} to {self.maximum:g}"
        words = {
            "date": "a date as YYYY-MM-DD",
            "clock": "a time of day as HHMM, from 0 to 2400 with minutes below 60",
            "integer": f"a whole number{within}",
            "number": f"a number{within}",
            "category": f"one of {', '.join(self.categories[:20])}{' …' if len(self.categories) > 20 else ''}",
            "text": "text",
        }[self.kind]
        if self.unit:
            words += f" ({self.unit})"
        return words + (" or nothing" if self.nullable else "")


COLUMNS: tuple[Column, ...] = (
    Column("date", "date", "day of the scheduled departure"),
    Column("sched_dep_time", "clock", "scheduled departure"),
    Column("sched_arr_time", "clock", "scheduled arrival, local to the destination"),
    Column("carrier", "category", "airline", categories=CARRIERS),
    Column("flight", "integer", "flight number", minimum=1, maximum=9999),
    Column("tailnum", "text", "the aircraft's registration", nullable=True),
    Column("origin", "category", "airport of departure", categories=ORIGINS),
    Column("dest", "category", "airport of arrival", categories=DESTINATIONS),
    Column("distance", "integer", "between the airports", minimum=1, maximum=6000, unit="miles"),
    Column("temp", "number", "temperature", nullable=True, minimum=-40, maximum=130, unit="°F"),
    Column("dewp", "number", "dew point", nullable=True, minimum=-60, maximum=100, unit="°F"),
    Column("humid", "number", "relative humidity", nullable=True, minimum=0, maximum=100, unit="%"),
    Column("wind_dir", "number", "where the wind blows from", nullable=True, minimum=0, maximum=360, unit="degrees"),
    Column("wind_speed", "number", "wind", nullable=True, minimum=0, maximum=150, unit="mph"),
    Column("wind_gust", "number", "gusts, if there were any", nullable=True, minimum=0, maximum=200, unit="mph"),
    Column("precip", "number", "rain or snow in the hour", nullable=True, minimum=0, maximum=10, unit="inches"),
    Column("pressure", "number", "at sea level", nullable=True, minimum=870, maximum=1090, unit="mbar"),
    Column("visib", "number", "visibility", nullable=True, minimum=0, maximum=10, unit="miles"),
    Column("dep_time", "clock", "actual departure", known_before_departure=False, nullable=True),
    Column(
        "dep_delay", "integer", "minutes late at departure", known_before_departure=False, nullable=True,
        minimum=-120, maximum=2880, unit="minutes",
    ),
    Column("arr_time", "clock", "actual arrival", known_before_departure=False, nullable=True),
    Column(
        "arr_delay", "integer", "minutes late at arrival; nothing for a cancelled or diverted flight",
        known_before_departure=False, nullable=True, minimum=-180, maximum=2880, unit="minutes",
    ),
    Column(
        "air_time", "integer", "in the air", known_before_departure=False, nullable=True,
        minimum=1, maximum=1440, unit="minutes",
    ),
)  # fmt: skip

COLUMN = {column.name: column for column in COLUMNS}
KEY = ("date", "carrier", "flight", "origin")
"""No two rows of the data may agree in all of these."""

ANSWER = "arr_delay"
LATE_MINUTES = 15
"""The question: will this flight arrive this many minutes late or more?"""

DRIFT_BUCKETS = 20


def drift_edges(column: Column) -> list[float]:
    """The inner borders of the buckets a numeric column is counted in, always the same ones.

    Fixed borders make counts of any two months, and of live traffic, comparable without a look at the rows.
    Returns ``DRIFT_BUCKETS - 1`` ascending numbers for clock, integer and number columns, none for the others.
    """
    if column.kind == "clock":
        low, high = 0.0, 2400.0
    elif column.minimum is None or column.maximum is None:
        return []
    else:
        low, high = column.minimum, column.maximum
    return [low + (high - low) * step / DRIFT_BUCKETS for step in range(1, DRIFT_BUCKETS)]
