"""Unserved: operations of the Svix API that Postrider does not have. They answer 501, and say what to do instead."""
