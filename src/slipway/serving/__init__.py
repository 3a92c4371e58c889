"""What answers requests."""
