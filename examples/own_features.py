"""Evaluates features of your own, and a matrix of their distances: own_features.py features.npz

The file holds query_features (Q x D), query_pids, query_camids, and the same for gallery_.
"""

import sys

import numpy as np

from reid_srdl import Protocol, evaluate, evaluate_distances, load_features

features = load_features(sys.argv[1])
query, gallery = features.query, features.gallery

for distance in ("euclidean", "cosine"):
    scores = evaluate(features, Protocol(distance=distance)).evaluation.single_query
    print(f"{distance}: mAP {scores.mAP:.4f}, Rank-1 {scores.rank1:.4f}")

# A matrix of any distance: here the largest difference in any dimension.
q, g = (side.features.astype(np.float32) for side in (query, gallery))
matrix = np.stack([np.abs(g - row).max(axis=1) for row in q])
result = evaluate_distances(
    matrix, query.pids, query.camids, gallery.pids, gallery.camids, verify=1e-2
)
print(f"Chebyshev: mAP {result.evaluation.single_query.mAP:.4f}")
person = result.evaluation.verification.same_person
print(f"one person within {person.threshold}: {person.tpr:.1%} found, {person.fpr:.1%} mistaken")
