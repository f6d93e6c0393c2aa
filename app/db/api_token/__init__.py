"""API token: a random text that stands for its organization; and the JWTs that were revoked."""
