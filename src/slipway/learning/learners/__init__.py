"""What learns: the interface, XGBoost, and what a compiled model is put together from. Another learner is a file."""
