"""Pending delivery: what is still to do of a message at an endpoint. The row is deleted when the delivery ends."""
