"""Source: an inbound URL for one provider, whose webhooks become messages of an application."""
