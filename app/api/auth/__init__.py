"""Authentication: access for an application's own users to what belongs to their application (the portal)."""
