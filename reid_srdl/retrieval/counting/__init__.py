"""Ranks by counting: blocks of distances, proven bounds, and the definition elsewhere."""
