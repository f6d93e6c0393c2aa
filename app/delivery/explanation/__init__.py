"""Explanation: why an endpoint gets a message or does not, what came of it, and what comes next, in sentences."""
