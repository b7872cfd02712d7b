"""Processes that work together: who takes part, sums over all, and what happens if one dies."""
