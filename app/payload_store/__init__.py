"""Payload store: where large payloads are kept instead of in Postgres, if one is configured."""
