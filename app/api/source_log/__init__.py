"""Log of a source: a request that arrived there and was rejected, and why."""
