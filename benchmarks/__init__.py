"""What the loop must reach, measured: `python -m benchmarks.<name>` writes benchmarks/results/<name>.json."""
