"""Signing in and out of the two sites."""
