"""The trainer: what methods are written with. Importing it loads torch."""
