"""Application: one customer of an organization."""
