"""``reid-srdl profile`` as one of several processes, with small products in search of the peak."""

from __future__ import annotations

import sys

from reid_srdl.cli import main
from reid_srdl.jobs import measuring
from tests.training import tiny_nets

if __name__ == "__main__":
    tiny_nets.add_rows()
    measuring._SIDES, measuring._WARM = {"cpu": (64,)}, 1
    sys.argv[1:1] = ["profile"]
    main()
