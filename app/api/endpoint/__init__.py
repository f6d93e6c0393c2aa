"""Endpoint: a URL that a customer registered. Here: its settings, custom headers, signing secrets and statistics."""
