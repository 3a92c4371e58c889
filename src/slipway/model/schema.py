"""The columns of one month of flights.

The data check, the features, ``schema.json`` beside a model, the server's refusals and the drift buckets all read this
table, so a column is described in one place. Times are local to New York; weather is what the origin airport reported
for the hour of the scheduled departure.
"""

from __future__ import annotations

from slipway.problem import Column

CARRIERS = tuple("9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split())
ORIGINS = ("EWR", "JFK", "LGA")
DESTINATIONS = tuple(
    """ABQ ACK ALB ANC ATL AUS AVL BDL BGR BHM BNA BOS BQN BTV BUF BUR BWI BZN CAE CAK CHO CHS CLE CLT CMH CRW CVG
    DAY DCA DEN DFW DSM DTW EGE EYW FLL GRR GSO GSP HDN HNL HOU IAD IAH ILM IND JAC JAX LAS LAX LEX LGA LGB MCI
    MCO MDW MEM MHT MIA MKE MSN MSP MSY MTJ MVY MYR OAK OKC OMA ORD ORF PBI PDX PHL PHX PIT PSE PSP PVD PWM RDU
    RIC ROC RSW SAN SAT SAV SBN SDF SEA SFO SJC SJU SLC SMF SNA SRQ STL STT SYR TPA TUL TVC TYS XNA""".split()
)


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
    Column("dep_time", "clock", "actual departure", known=False, nullable=True),
    Column(
        "dep_delay", "integer", "minutes late at departure", known=False, nullable=True,
        minimum=-120, maximum=2880, unit="minutes",
    ),
    Column("arr_time", "clock", "actual arrival", known=False, nullable=True),
    Column(
        "arr_delay", "integer", "minutes late at arrival; nothing for a cancelled or diverted flight",
        known=False, nullable=True, minimum=-180, maximum=2880, unit="minutes",
    ),
    Column(
        "air_time", "integer", "in the air", known=False, nullable=True,
        minimum=1, maximum=1440, unit="minutes",
    ),
)  # fmt: skip
