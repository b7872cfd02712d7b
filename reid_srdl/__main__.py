"""``python -m reid_srdl`` is the same as ``reid-srdl``."""

from reid_srdl.cli import main

if __name__ == "__main__":
    main()
