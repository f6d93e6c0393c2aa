"""Ledger: an organization's proof that nothing of it is lost, and why what is late is late."""
