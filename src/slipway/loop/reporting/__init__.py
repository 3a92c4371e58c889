"""What the report is made of: the two sides of a comparison, what is said of them, and how it is judged."""
