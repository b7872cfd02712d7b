"""Runs as jobs of SLURM, through submitit: sent, found again, followed to their end."""
