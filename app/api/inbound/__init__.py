"""Inbound: what providers post to the URLs of sources. It is verified, kept, and becomes messages."""
