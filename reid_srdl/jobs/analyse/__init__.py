"""Component analysis of finished runs: width, training entropy, ensembles."""
