"""Tickets that people send to a help desk."""

from slipway.problem import Column

TEAMS = ("billing", "network", "hardware", "accounts")

COLUMNS = (
    Column("day", "date", "when it came"),
    Column("ticket", "integer", "its number"),
    Column("sender", "category", "who sent it", nullable=True, hashed=256),
    Column("channel", "category", "how it came", nullable=True, categories=("mail", "phone", "web")),
    Column("hour", "clock", "time of day"),
    Column("minutes", "number", "how long the sender had waited", nullable=True, minimum=0),
    Column("text", "text", "what it says", nullable=True),
    Column("team", "category", "who solved it", known=False, nullable=True, categories=TEAMS),
)
