"""Delivery: one HTTP try of a message at an endpoint, and what follows from how it went.

This room is pure: no rows, no settings object, no Celery, no FastAPI, no SQL. Everything comes in as an argument.
`url` what may be an endpoint's URL · `signing` Standard Webhooks signatures · `guard` where a delivery may go ·
`client` the POST itself · `tls`, `pem`, `oauth`, `proxy` how a receiver is reached, and as whom ·
`outcome` how it went, as a value · `retry` what happens next ·
`limiter`, `concurrency`, `breaker`, `pause` how much one endpoint is sent, and when not ·
`explanation` all that in sentences.
"""
