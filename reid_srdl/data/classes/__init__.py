"""Classification data sets: their layouts, their images and labels, their checks."""
