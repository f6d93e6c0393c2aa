"""Endpoint: a URL that a customer registered, with what it subscribed to and how its requests are signed."""
