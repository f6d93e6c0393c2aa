"""Broadcast: one message to every application of an organization, as long as it is being published."""
