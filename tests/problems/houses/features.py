"""What the model sees of a house."""

from slipway.problem import Feature

FEATURES = (
    Feature("area", "area", "number"),
    Feature("rooms", "rooms", "number"),
    Feature("district", "district", "code"),
    Feature("built", "built", "number"),
)
