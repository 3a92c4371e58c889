"""What the model sees of a visit."""

from slipway.problem import Feature

FEATURES = (
    Feature("pages", "pages", "number"),
    Feature("device", "device", "code"),
    Feature("weekday", "day", "weekday"),
)
