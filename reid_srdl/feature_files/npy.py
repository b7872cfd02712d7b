"""Arrays in NumPy's .npy format, read without trust: sizes are checked before memory is taken."""

from __future__ import annotations

import math
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.feature_files.strangers import check_memory
from reid_srdl.retrieval.features import check_narrow

_STEP_BYTES = 1 << 20


def read_header(file: IO[bytes], size: int, what: str) -> tuple[tuple[int, ...], bool, Any]:
    """Reads a header, and leaves ``file`` at the first value.

    Args:
        file: the stream, at its start.
        size: how many bytes it has in all.
        what: what messages call it: ``FILE: ARRAY``, or ``FILE:``.

    Returns:
        The array's shape, whether it is stored column by column, and its type.

    Raises:
        UserError: it is no array, of Python objects, or not as long as its header says.
        Exception: whatever NumPy's parser raises.
    """
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        # NumPy has no public reader of version 3.0: field names in UTF-8, which no array here has.
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    shape, by_column, dtype = read(file)
    if dtype.hasobject:
        raise UserError(
            f"{what} {'' if what.endswith(':') else 'is '}an array of Python objects, which are "
            "never unpickled",
            "save numbers or strings",
        )
    if any(side < 0 for side in shape):
        raise ValueError(f"shape {shape}")
    if dtype.itemsize == 0:
        raise ValueError("values of no bytes")
    promised, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if promised != held:
        raise ValueError(f"it holds {held:,} bytes, its header promises {promised:,}")
    return shape, by_column, dtype


def read_stream(file: IO[bytes], size: int, what: str, *, narrow: bool = False) -> NDArray[Any]:
    """Reads an array from a stream.

    Args:
        file, size, what: as for `read_header`.
        narrow: let N x D float64 values become float32 on the way.

    Raises:
        UserError: as `read_header`; values that float32 cannot hold; or too large for memory.
        Exception: whatever reading raises.
    """
    shape, by_column, dtype = read_header(file, size, what)
    narrow = narrow and dtype == np.float64 and len(shape) == 2 and not by_column
    kept = np.dtype(np.float32) if narrow else dtype
    check_memory(what, math.prod(shape) * kept.itemsize)
    flat = np.empty(math.prod(shape), kept)
    step = max(1, _STEP_BYTES // max(1, dtype.itemsize))
    for start in range(0, len(flat), step):
        stop = min(start + step, len(flat))
        values = np.frombuffer(_exactly(file, (stop - start) * dtype.itemsize), dtype)
        with np.errstate(over="ignore"):
            flat[start:stop] = values
        if narrow:
            check_narrow(what, flat[start:stop], values)
    if file.read(1):  # reaches the end, where a zip's checksum is compared
        raise ValueError("it is longer than its header promises")
    return flat.reshape(shape[::-1]).T if by_column else flat.reshape(shape)


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            raise EOFError("it is cut short")
        data += more
    return data
