"""What other libraries expect of a density, and what they bring to diffeo."""
