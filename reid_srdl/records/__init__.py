"""Records of runs: the typed record, its file, statistics over seeds, the leaderboard."""
