"""Ledger: the account of all deliveries. What was accepted, as counted when it was, is compared with what is found."""
