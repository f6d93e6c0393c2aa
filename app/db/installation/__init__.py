"""The database as one installation: how far it is migrated, and under which main secret its secrets are sealed."""
