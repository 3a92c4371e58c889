"""Katib's words, and where a search is kept. No library: what collects in the cluster has none of the search's."""

from __future__ import annotations

from pathlib import Path

OUT = Path("build/tune")
TRIALS = "trials.json"
EXPERIMENT_LABEL = "katib.kubeflow.org/experiment"
SUCCEEDED, FAILED, STOPPED, UNAVAILABLE = "Succeeded", "Failed", "EarlyStopped", "MetricsUnavailable"
KILLED = "Killed"
