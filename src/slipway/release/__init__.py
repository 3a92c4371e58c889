"""What is pinned, promoted, and traced back: files at a commit."""
