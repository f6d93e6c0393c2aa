"""Audit log: who changed what in an organization."""
