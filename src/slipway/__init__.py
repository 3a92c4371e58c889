"""Slipway: push data, merge, it ships."""

import os

# Idle OpenMP threads that spin starve every neighbour on a shared node: with one busy neighbour on two cores, fifty
# boosting rounds took 7-9 s instead of under 1 s. Threads that never spin are woken once a node of a tree, though: a
# leaf-wise ensemble took 15 s on two idle cores. With a thousand turns it is 6 s there, and 15 s instead of 8-12 beside
# a neighbour. Read by libgomp when XGBoost loads, so it is set before any import; the second is for other libraries.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
