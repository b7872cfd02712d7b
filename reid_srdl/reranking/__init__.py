"""What changes queries or distances before ranking: query expansion, k-reciprocal re-ranking."""
