"""Endpoint pages: how an endpoint does, its settings, its secrets, and sending to it again; on both sites."""
