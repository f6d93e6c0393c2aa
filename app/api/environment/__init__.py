"""Environment: an organization, as the Svix API calls it, when the operator manages it, or when it is copied."""
