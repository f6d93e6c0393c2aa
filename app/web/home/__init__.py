"""Home: how everything goes right now, and how it went."""
