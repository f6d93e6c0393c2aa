"""Delivery: a message times an endpoint; the thing with a state."""
