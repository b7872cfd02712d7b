"""Ranks by counting: blocks of estimated distances, proven bounds, and the definition elsewhere.

The algorithm, which gives what `plain` gives, to the bit:

1. A match's rank is 1 + the matches before it + the negatives ahead of it. Only the latter must be
   counted, and counts add up over blocks of the gallery: no distance matrix, no sort.
2. The distances of all matches are estimated first, with a bound (`matches` makes `Targets`).
3. All features are shifted into one frame (`frame`), where float32 products round little.
4. A kernel (`kernels`) estimates the distances of a block of queries and gallery rows, and vouches
   for an error.
5. Around each match's distance, that error makes a window (`windows`). An estimate below it is
   surely ahead, one above it surely behind.
6. The windows' edges in a sorted list (`edges`) give each estimate a place. Counting places
   (`tallies`) counts all negatives between the same two windows at once.
7. A negative that is ahead of a query's k-th match is ahead of all later ones. So it adds one to
   one slot, k; running sums over the slots are the counts (`counter`).
8. A pair in a window is looked at again: with its own rows' bound, then by a float32 sum of its
   own (`pairs`). Only what that leaves open is decided by the definition, ties by position.
9. Gallery rows of unlike errors get edges of their own (`levels`, `reaches`), and queries that
   integers serve badly a kernel of their own (`kernels.choice`).
10. Each thread does this for gallery blocks of its own (`shard`, `count`).

Glossary:
    match: a gallery image of the query's identity from another camera; all others are negatives.
    target: a match with its distance, which negatives are compared with.
    definition: the sum in float64, in one fixed order, that decides a distance (`exact`).
    frame: the shift and scale in which estimates are taken.
    kernel: what makes estimates of a block's distances, with an error that is proven.
    reach: what a bound is made of: norms, offsets and the kernel's error.
    window: the estimates around a target that do not decide a comparison.
    edge, place: a window's end; how many edges are not above an estimate.
    slot: how many negatives are behind one match and ahead of the next.
    open: in a window, after the pair's own bound.

Reading order: `plain`, `targets`, `windows`, `edges`, `tallies`, `counter`, `kernels.kernel`,
`kernels.on_numpy`, `shard`, `count`; then `matches`, `reaches`, `kernels.on_integers`.
"""
