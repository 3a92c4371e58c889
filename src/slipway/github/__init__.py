"""The one place that knows GitHub."""
