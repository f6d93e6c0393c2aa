"""History: the messages of an application after they were published: searched, followed as a feed, and forgotten."""
