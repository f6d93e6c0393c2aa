"""Event type: a named kind of message, with an optional JSON Schema. Endpoints subscribe to it by its name."""
