"""What all engines compute with: the definition of distance, rounding bounds, threads."""
