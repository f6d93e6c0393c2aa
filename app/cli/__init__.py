"""The `postrider` command: runs Postrider's processes, and the servers that it brings along."""
