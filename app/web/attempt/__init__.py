"""Attempt pages: what was sent, what was answered, where the time went."""
