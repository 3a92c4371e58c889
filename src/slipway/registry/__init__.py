"""The model versions, and the way to them."""
