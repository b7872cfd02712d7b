"""Person re-identification data sets: their layouts, their crops, their checks."""
