"""Message: one published fact, and (publish.py) the statement that accepts it."""
