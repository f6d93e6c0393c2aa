"""Idempotency key: what a request was answered, so that the same request again is not carried out twice."""
