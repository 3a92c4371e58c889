"""From checked data to a trained and evaluated model."""
