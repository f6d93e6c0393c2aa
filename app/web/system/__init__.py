"""System: whether the installation is well."""
