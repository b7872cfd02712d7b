"""Writes networks of finished runs for other software."""
