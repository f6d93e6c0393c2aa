"""`make chaos`: the long form of the fault tests, and the report on what was promised and measured."""
