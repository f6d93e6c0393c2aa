"""What a user of the package does, told by resource. Importing a module registers its scenarios."""
