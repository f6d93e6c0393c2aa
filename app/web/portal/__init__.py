"""Portal: the pages of one application, for its own users: how it is opened, and how it looks."""
