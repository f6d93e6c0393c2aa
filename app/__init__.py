"""Postrider: a self-hosted webhook gateway."""

from app import garbage

__version__ = "0.1.0"

garbage.look_rarely()
