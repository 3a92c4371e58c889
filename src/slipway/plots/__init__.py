"""What a report and the evaluation draw."""
