"""What the model sees of a ticket."""

from slipway.problem import Feature, words

FEATURES = (
    Feature("weekday", "day", "weekday"),
    Feature("sender", "sender", "hash"),
    Feature("channel", "channel", "code"),
    Feature("minute", "hour", "minutes"),
    Feature("minutes", "minutes", "number"),
    *words("text", 16),
)
