"""Explanation: of a message, for each endpoint of its application, whether it is for it, why, and what comes next."""
