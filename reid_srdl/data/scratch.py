"""A cache for work that may leave nothing behind: it reads what is kept and keeps nothing new."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reid_srdl.data.file_digests import DIGESTS
from reid_srdl.data.places import default_cache_dir


@contextlib.contextmanager
def scratch_cache() -> Iterator[None]:
    """Makes all caches go to a temporary folder, in which links show what is cached already."""
    real, variable = default_cache_dir(), "REID_SRDL_CACHE"
    before = os.environ.get(variable)
    with tempfile.TemporaryDirectory(prefix="reid-srdl-") as name:
        scratch = Path(name)
        for kept in sorted(real.glob("*/*")):
            if kept.suffix == ".lock":
                continue  # a lock that is a link cannot be taken
            link = scratch / kept.relative_to(real)
            link.parent.mkdir(exist_ok=True)
            if kept.parent.name == DIGESTS:
                shutil.copy(kept, link)  # it would be written to
            else:
                link.symlink_to(kept.resolve())
        os.environ[variable] = name
        try:
            yield
        finally:
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before
