"""Which team will solve this ticket? A Parquet file each week, four classes, and people who are many."""

from slipway.model.features import FEATURES
from slipway.model.schema import COLUMNS, TEAMS
from slipway.problem import ByTime, MultiClass, Name, Problem, Weekly, accuracy, ece, logloss, macro_f1

PROBLEM = Problem(
    name=Name("ticket", "tickets", answer="team"),
    task=MultiClass(TEAMS),
    answer="team",
    columns=COLUMNS,
    features=FEATURES,
    key=("ticket",),
    parts=Weekly("data/tickets", "{week}.parquet", date="day"),
    split=ByTime(),
    metrics=(logloss, accuracy, macro_f1, ece),
    decides=logloss,
    slices=("channel",),
)
