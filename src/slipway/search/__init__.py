"""The search that an experiment describes."""
