"""Galleries larger than memory: read by memory map, a stretch at a time."""
