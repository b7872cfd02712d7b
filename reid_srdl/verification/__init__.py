"""Verification: is a pair of images one person? Rates by distance, exact, without all distances."""
