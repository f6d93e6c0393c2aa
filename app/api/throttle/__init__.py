"""Throttle: how often an endpoint, or all of an application together, may be sent to. Here: what came of it."""
