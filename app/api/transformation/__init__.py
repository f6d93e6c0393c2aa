"""Transformation: JavaScript of an endpoint, which changes or cancels what is sent to it."""
