"""Visits to a shop's pages."""

from slipway.problem import Column, logarithmic

COLUMNS = (
    Column("day", "date", "when it was"),
    Column("visitor", "integer", "who it was"),
    Column("pages", "integer", "how many were looked at", minimum=1, drift=logarithmic(1, 100)),
    Column("device", "category", "what it was made with", categories=("desktop", "phone")),
    Column("bought", "integer", "whether something was bought in thirty days", known=False, nullable=True),
)
