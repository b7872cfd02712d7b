"""Images as people have them: a folder for each person, or a table of images."""
