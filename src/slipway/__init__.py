"""Slipway: push data, merge, it ships."""

import os

# Idle OpenMP threads that spin starve every neighbour on a shared node: with one busy neighbour on two cores, fifty
# boosting rounds took 7-9 s instead of under 1 s. Read by libgomp when XGBoost loads, so it is set before any import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
