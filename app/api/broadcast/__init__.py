"""Broadcast: one message to every application of an organization, published by a background task."""
