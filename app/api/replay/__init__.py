"""Replay: deliveries of an endpoint that are made again, or called off, many at once, by background tasks."""
