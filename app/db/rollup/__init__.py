"""Rollup: what the rows of history count to, by spans of time."""
