"""Metric: numbers about the whole installation, for whoever operates it. They name no organization."""
