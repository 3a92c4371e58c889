"""Which result answers a query best? Ranked within each query; a gzipped CSV each day."""

from slipway.model.features import FEATURES
from slipway.model.schema import COLUMNS
from slipway.problem import ByTime, Daily, Name, Problem, Ranking, ndcg, reciprocal_rank

PROBLEM = Problem(
    name=Name("result", "results", answer="grade"),
    task=Ranking(group="query"),
    answer="grade",
    columns=COLUMNS,
    features=FEATURES,
    key=("query", "result"),
    parts=Daily("data/queries", "results-{day}.csv.gz", date="day"),
    split=ByTime(gap=1),
    metrics=(ndcg, reciprocal_rank),
    decides=ndcg,
    slices=("source",),
)
