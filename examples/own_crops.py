"""Finds the crops that are nearest to one: own_crops.py runs/NAME person.jpg crops/"""

import sys
from pathlib import Path

import numpy as np

from reid_srdl import open_run

run = open_run(sys.argv[1])
crops = sorted(Path(sys.argv[3]).glob("*.jpg"))

# By features: N x D, of paths, PIL images or arrays.
x = run.embed([sys.argv[2], *crops])
x /= np.linalg.norm(x, axis=1, keepdims=True)
similarity = x[1:] @ x[0]
for place in np.argsort(-similarity)[:3]:
    print(f"{similarity[place]:.4f}  {crops[place].name}")

# By search, which keeps the folder's features for the next time.
for found in run.search(sys.argv[2], sys.argv[3], k=3, changes={"distance": "cosine"}).results:
    print(f"{1 - found.distance:.4f}  {found.name}")
