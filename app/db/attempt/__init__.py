"""Attempt: one HTTP try of a delivery, immutable but for its response, which may be expunged."""
