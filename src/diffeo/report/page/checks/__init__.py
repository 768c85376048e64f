"""What the page computes: pure functions of plain arrays."""
