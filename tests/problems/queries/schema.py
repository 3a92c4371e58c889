"""Results that were shown for a query."""

from slipway.problem import Column, logarithmic

COLUMNS = (
    Column("day", "date", "when it was asked"),
    Column("query", "integer", "which question"),
    Column("result", "integer", "which document"),
    Column("match", "number", "how many of the words it has", minimum=0, maximum=1),
    Column("age", "integer", "of the document", nullable=True, minimum=0, drift=logarithmic(1, 4000), unit="days"),
    Column("source", "category", "where it is from", categories=("news", "shop", "wiki")),
    Column("grade", "integer", "how well it answers", known=False, nullable=True, minimum=0, maximum=4),
)
