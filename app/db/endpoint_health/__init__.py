"""Endpoint health: how an endpoint has been answering, kept for the circuit breaker and for whoever asks why."""
