"""Trial: a message to one endpoint alone, tried once, so that its owner sees how it answers."""
