"""Sign-in failure: an attempt to sign in that did not succeed, counted so that nobody can guess for long."""
