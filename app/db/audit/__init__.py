"""Audit log: who changed what. Written by the transaction that makes the change, and never changed afterwards."""
