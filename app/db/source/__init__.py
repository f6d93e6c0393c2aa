"""Source: an inbound URL for one provider. What arrives there and is the provider's becomes a message."""
