"""What the model sees of a result."""

from slipway.problem import Feature

FEATURES = (
    Feature("match", "match", "number"),
    Feature("age", "age", "number"),
    Feature("source", "source", "code"),
)
