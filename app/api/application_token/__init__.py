"""Application token: an API token that reaches no further than one application: to publish, or to poll a poller."""
