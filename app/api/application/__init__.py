"""Application: one customer of the organization. It owns endpoints, and messages are published to it."""
