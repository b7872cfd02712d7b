"""Networks that other codes trained: their files read, each told by its keys.

`checkpoint` opens a file without running any of it, `codes` knows whose keys they are, and
`network` makes the network that they describe.
"""
