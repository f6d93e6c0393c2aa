"""Statistic: a number about many things at once, counted when somebody asks."""
