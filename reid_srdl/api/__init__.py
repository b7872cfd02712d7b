"""The Python interface: a run as an object, training with progress, the leaderboard."""
