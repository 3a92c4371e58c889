"""Will this visitor buy within thirty days? A CSV each month; the newest answers are not known yet."""

from slipway.model.features import FEATURES
from slipway.model.schema import COLUMNS
from slipway.problem import Binary, ByTime, Monthly, Name, Problem, auc, ece, logloss

PROBLEM = Problem(
    name=Name("visit", "visits", answer="bought"),
    task=Binary("something is bought within thirty days"),
    answer="bought",
    columns=COLUMNS,
    features=FEATURES,
    parts=Monthly("data/visits", "{month}.csv", date="day"),
    split=ByTime(),
    metrics=(auc, logloss, ece),
    decides=auc,
    drawn_by="visitor",
    slices=("device",),
    known_after=20,
)
