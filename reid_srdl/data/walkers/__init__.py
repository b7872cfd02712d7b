"""The embedded data set: people drawn procedurally, seen by street cameras."""
