"""The official SDKs drive a running Postrider: every operation that they have."""
