"""What makes a repository of one's own from the template."""
