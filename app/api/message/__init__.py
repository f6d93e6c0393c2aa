"""Message: one published fact. It is delivered to every endpoint of its application that wants its event type."""
