"""Web session: a browser that is signed in to the dashboard or to a portal, with the token by which it acts."""
