"""Event type: a named kind of message, with an optional JSON Schema."""
