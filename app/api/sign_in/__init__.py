"""Sign-in: how a user proves who they are, and gets a token for a session of theirs."""
