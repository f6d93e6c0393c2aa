"""Account: the user who signed in, as they see themselves: their password, and where they are signed in."""
