"""Postrider: a self-hosted webhook gateway, both directions."""

__version__ = "0.1.0"
