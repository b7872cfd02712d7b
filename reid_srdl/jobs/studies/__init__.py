"""Runs what a study lacks, each run in a process of its own."""
