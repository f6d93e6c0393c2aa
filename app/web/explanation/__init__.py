"""Explanation pages: why an endpoint gets a message or does not, and what comes next."""
