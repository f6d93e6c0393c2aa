"""Event of a source: a request that arrived there and was accepted, with the message that came of it."""
