"""Ranks by counting: blocks of estimated distances, proven bounds, and the definition elsewhere.

The algorithm, which returns what `plain` returns, to the bit:

1. A match's rank is 1 + the matches before it + the negatives ahead of it. Only the negatives must
   be counted, and counts add up over blocks of the gallery: no distance matrix, no sort.
2. Estimate the distances of all matches, each with a bound (`matches` makes `targets.Targets`).
3. Shift all features into one frame (`frame`), where float32 products round little.
4. For a block of queries and a block of images, a kernel (`kernels`) estimates the distances and
   vouches for an error.
5. That error makes a window around each match's distance (`windows`): an image whose estimate is
   below it is surely ahead of the match, one above it surely behind.
6. The windows' ends are edges in a sorted list (`edges`, `reaches`). An estimate's place among them
   says which matches it lies between, and `tallies` counts all estimates of a block by place.
7. An image ahead of a query's k-th match is ahead of all later ones. So it adds one to a single
   slot, k (`counter`); running sums over the slots are the counts.
8. Pairs in a window are judged by their own rows' bound, then by a float32 sum of their own
   (`pairs`). What that leaves open, the definition decides, equal distances by position.
9. Each thread counts gallery blocks of its own (`shard`, `count`), with the kernel that is cheapest
   for these features (`kernels.choice`), and a finer one once too many pairs stay open.

Glossary:
    match: a gallery image of the query's identity from another camera; other people are negatives.
    target: a match with its distance, which negatives are compared with.
    definition: the sum in float64, in one fixed order, that decides a distance (`exact`).
    frame: the shift and the scale in which estimates are taken.
    kernel: what estimates a block's distances, with an error that is proven.
    reach: what a bound is made of: norms, offset and the kernel's error.
    window: the estimates around a target that do not decide a comparison.
    edge, place: a window's end; how many edges are not above an estimate.
    slot: how many negatives are behind one match and ahead of the next.
    open: in a window, and not decided by the pair's own bound.

Reading order: `plain`, `targets`, `windows`, `edges`, `tallies`, `counter`, `kernels.kernel`,
`kernels.on_numpy`, `reaches`, `shard`, `count`; then `matches`, `kernels.on_integers`.
"""
