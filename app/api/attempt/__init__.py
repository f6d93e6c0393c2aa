"""Attempt: one HTTP try of a delivery. Here: what was tried, what came of it, what is tried next, and trying again."""
