"""Receiving: whether a request that arrives is a provider's, and which event it tells of. Pure: no I/O, no rows.

A *provider* sends webhooks (Stripe, GitHub, …); each has a module in `providers/`, with the rule by which its requests
are verified, recognized when they come again, and named.
"""
