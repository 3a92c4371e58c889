"""What will this house be sold for? One file without dates, split by chance."""

from slipway.model.features import FEATURES
from slipway.model.schema import COLUMNS
from slipway.problem import Name, One, Problem, Random, Regression, logarithmic, mae, r2, rmse

PROBLEM = Problem(
    name=Name("house", "houses", answer="price"),
    task=Regression(unit="EUR", drift=logarithmic(50_000, 2_000_000)),
    answer="price",
    columns=COLUMNS,
    features=FEATURES,
    key=("house",),
    parts=One("data/houses", "houses.csv"),
    split=Random(seed=1),
    metrics=(rmse, mae, r2),
    decides=rmse,
    slices=("district",),
)
