"""Transformation: the code that changes what is sent to an endpoint, sealed, with its variables."""
