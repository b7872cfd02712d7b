"""Several processes as one group, by torch.distributed with gloo; see `processes`."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from reid_srdl.errors import UserError
from reid_srdl.group.network import address_towards, reachable, summing_over
from reid_srdl.group.watch import Watch, first_line

Int64s = NDArray[np.int64]

_JOINING = 45.0  # seconds until all must be there
_SUMMING = 600.0  # seconds that a sum may take at most: who is lost is noticed long before
_LOOK = datetime.timedelta(seconds=1)  # between two looks whether all are alive
_FAREWELL = 5.0  # seconds that process 0, which may hold the store, waits for the others to end
_POLL = 0.02
_SLICE = 1 << 26  # bytes in one broadcast


class Shards:
    """Several processes, joined by torch.distributed with gloo.

    Args:
        patience: seconds without a sign of life after which another process is lost.
        kept: what is kept where one is lost.

    Raises:
        UserError: they could not be joined.
    """

    def __init__(self, patience: float, kept: str) -> None:
        self.rank, self.size = int(os.environ.get("RANK", "-1")), int(os.environ["WORLD_SIZE"])
        self.local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        self.local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        self._met = self._told_texts = 0
        try:
            self._join(patience, kept)
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            reason = first_line(error)
            raise UserError(
                f"process {self.rank} of {self.size} could not join the others ({reason})",
                "start all of them with torchrun, with one rendezvous address for all machines; "
                "each must find the others by name, or be given torchrun's --local-addr",
            ) from None
        self._watch.start()

    def check(self) -> None:
        """Raises where another process has failed or was lost.

        Raises:
            UserError: another process was lost.
            SystemExit: another process has failed and told why.
        """
        self._watch.check()

    def summed(self, values: Int64s) -> Int64s:
        """Returns the sum of all processes' values."""
        tensor = torch.from_numpy(values.copy())
        self._together(partial(distributed.all_reduce, tensor, async_op=True))
        result: Int64s = tensor.numpy()
        return result

    def shared(self, arrays: dict[str, NDArray[Any]] | None) -> dict[str, NDArray[Any]]:
        """Returns the arrays of process 0; the others give None."""
        told = [(name, a.dtype.str, a.shape) for name, a in (arrays or {}).items()]
        header = self._broadcast(np.frombuffer(json.dumps(told).encode(), np.uint8), sized=True)
        result = {}
        for name, kind, shape in json.loads(header.tobytes()):
            given = arrays[name] if arrays is not None else np.empty(shape, kind)
            flat = np.ascontiguousarray(given).reshape(-1).view(np.uint8)
            result[name] = self._broadcast(flat).view(kind).reshape(shape)
        return result

    def device(self, name: str) -> str:
        """Returns this process's own device of a kind: each has a CUDA device of its own."""
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if name.startswith("cuda") else name

    def finish(self) -> None:
        """Waits until all have come to the end."""
        self.meet()
        self._watch.stop()
        until = time.monotonic() + _FAREWELL
        with contextlib.suppress(RuntimeError, ValueError):
            gone = self._store.add("gone", 1)
            # Process 0 may hold the store: it is the last to go.
            while self.rank == 0 and gone < self.size and time.monotonic() < until:
                time.sleep(_POLL)
                gone = self._store.add("gone", 0)
            distributed.destroy_process_group()

    def fail(self, error: UserError) -> bool:
        """Tells the others why this process fails; says whether it is the first to."""
        return self._watch.tell(error.what, error.exit_status)

    def interrupted(self) -> None:
        """Raises what a signal to end means; nothing where this process is ending already."""
        self._watch.interrupted()

    def close(self) -> None:
        """Stops giving signs of life."""
        self._watch.stop()

    def texts(self, own: str) -> list[str]:
        """Returns a text of each process, by rank."""
        self._told_texts += 1
        key = f"text/{self._told_texts}"
        self._store.set(f"{key}/{self.rank}", own)
        self.meet()
        return [self._store.get(f"{key}/{rank}").decode() for rank in range(self.size)]

    def sum(self, begin: Callable[[], Any]) -> None:
        """Does what torch.distributed begins, a sum or the like, and watches the others."""
        work = None
        while True:
            try:
                work = work or begin()
                work.wait(_LOOK)
                return
            except RuntimeError as error:
                if work is None or work.is_completed():
                    raise self._losing(error) from None
                self.check()

    def _losing(self, error: RuntimeError) -> UserError:
        """Returns what is said of a failed sum: who is gone, where it can be found out."""
        self.check()
        silent = self._watch.silent()
        self.check()
        if silent:
            who = " and ".join(f"process {rank}" for rank in silent)
            return self._watch.losing(f"{who} ended without a word: killed, or out of memory")
        return self._watch.losing(f"a sum over all failed ({first_line(error)})")

    def _join(self, patience: float, kept: str) -> None:
        seconds = max(2 * patience, _JOINING)
        until, limit = time.monotonic() + seconds, datetime.timedelta(seconds=seconds)
        self._store, _, _ = next(rendezvous("env://", self.rank, self.size, timeout=limit))
        self._watch = Watch(self._store, self.rank, self.size, patience, kept)
        while self._store.add("joined", 0) < self.size:
            if time.monotonic() > until:
                raise TimeoutError(f"not all were there within {seconds:.0f} seconds")
            time.sleep(_POLL)
        self.writer = self._told("host", socket.gethostname(), [0])[0]
        with summing_over(self._address()):
            distributed.init_process_group(
                _backend(),
                store=self._store,
                rank=self.rank,
                world_size=self.size,
                timeout=datetime.timedelta(seconds=max(10 * patience, _SUMMING)),
            )

    def _address(self) -> str:
        """Returns this machine's address as other machines see it; empty where there are none."""
        if self.local_size == self.size:
            return ""
        own = address_towards(os.environ["MASTER_ADDR"])
        return reachable(own, self._told("address", own, range(self.size)))

    def _told(self, key: str, own: str, ranks: Iterable[int]) -> list[str]:
        """Gives the others a value, and returns those of some processes; waits for them."""
        self._store.set(f"{key}/{self.rank}", own)
        return [self._store.get(f"{key}/{rank}").decode() for rank in ranks]

    def _broadcast(self, flat: NDArray[np.uint8], *, sized: bool = False) -> NDArray[np.uint8]:
        if sized:
            size = torch.tensor([len(flat)])
            self._together(partial(distributed.broadcast, size, 0, async_op=True))
            flat = flat if self.rank == 0 else np.empty(int(size), np.uint8)
        flat = flat if flat.flags.writeable else flat.copy()
        for start in range(0, len(flat), _SLICE):
            part = torch.from_numpy(flat[start : start + _SLICE])
            self._together(partial(distributed.broadcast, part, 0, async_op=True))
        return flat

    def _together(self, work: Callable[[], Any]) -> None:
        self.meet()
        self.sum(work)

    def meet(self) -> None:
        """Waits until all processes are here."""
        self._met += 1
        key = f"met/{self._met}"
        try:
            here = self._store.add(key, 1)
            while here < self.size:
                self.check()
                time.sleep(_POLL)
                here = self._store.add(key, 0)
        except RuntimeError as error:
            self.check()
            raise self._watch.losing(f"the store is gone ({first_line(error)})") from None


def _backend() -> str:
    """Returns gloo, and NCCL for what stands on CUDA devices."""
    if torch.cuda.is_available() and distributed.is_nccl_available():
        return "cpu:gloo,cuda:nccl"
    return "gloo"
