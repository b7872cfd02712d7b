"""A process of a group for test_sharding.py: ``shard_member.py RANK-TO-IDLE eval ...``.

The process of that rank joins and then does nothing; the others run the command line.
"""

import os
import sys
import time
from pathlib import Path

from reid_srdl.cli import main
from reid_srdl.group.processes import joined

if __name__ == "__main__":
    idle, place = sys.argv[1], Path(sys.argv[2])
    del sys.argv[1:3]
    if os.environ["RANK"] == idle:
        with joined():
            (place / "half").write_text(str(os.getpid()))
            (place / "half").rename(place / "idle")
            time.sleep(120)
    main()
