"""Endpoint of a source: an endpoint of the application to which the source delivers, by the source's name."""
