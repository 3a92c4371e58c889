"""Houses that were sold."""

from slipway.problem import Column, logarithmic

COLUMNS = (
    Column("house", "integer", "its number in the register", minimum=1),
    Column("area", "number", "living area", minimum=10, maximum=10_000, drift=logarithmic(20, 500), unit="m²"),
    Column("rooms", "integer", "how many", nullable=True, minimum=1, maximum=100),
    Column("district", "category", "where it stands", categories=("harbour", "hill", "old town", "park"), other=True),
    Column("built", "integer", "year", nullable=True, minimum=1500, maximum=2100),
    Column("price", "number", "what was paid", known=False, nullable=True, minimum=1_000, unit="EUR"),
)
