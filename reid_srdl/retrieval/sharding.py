"""One evaluation shared among processes: who takes part, sums over all, and what if one is lost.

Processes are started by ``torchrun --nproc-per-node N -m reid_srdl eval ...``, on several machines
with its rendezvous (``--nnodes``, ``--rdzv-endpoint``), or by anything else that sets RANK,
WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Only then is torch imported. Sums are of integers, so they
do not depend on who counted what.

Each process tells the others through torch's store that it lives. Before a sum all wait for each
other there, watching, so that the sum itself takes no time to speak of: a process that was lost,
even one that stands still, is noticed by all others within the patience, 30 seconds or
$REID_SRDL_SHARD_TIMEOUT.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.machine import available_cores

_PATIENCE = 30.0  # seconds without a sign of life
_LEAST_JOINING = 10.0  # seconds that joining may take at least, however short the patience
_POLL = 0.02
_FAREWELL = 5.0  # seconds that the one who tells an error waits for the others to end
_SLICE = 1 << 26  # bytes in one broadcast

Int64s = NDArray[np.int64]


class LostError(UserError):
    """Another process is gone; every process that notices tells it."""


class Group(Protocol):
    """The processes of one evaluation."""

    rank: int
    size: int

    def check(self) -> None:
        """Raises where another process has failed or was lost; cheap."""

    def summed(self, values: Int64s) -> Int64s:
        """Returns the sum of all processes' values."""

    def shared(self, arrays: dict[str, NDArray[Any]] | None) -> dict[str, NDArray[Any]]:
        """Returns the arrays of process 0; the others give None."""

    def device(self, name: str) -> str:
        """Returns this process's own device of a kind."""


class Alone:
    """One process."""

    rank, size = 0, 1

    def check(self) -> None:
        """Nobody else can be lost."""

    def summed(self, values: Int64s) -> Int64s:
        """Returns the values."""
        return values

    def shared(self, arrays: dict[str, NDArray[Any]] | None) -> dict[str, NDArray[Any]]:
        """Returns the arrays."""
        assert arrays is not None
        return arrays

    def device(self, name: str) -> str:
        """Returns the device."""
        return name


class Shards:
    """Several processes, joined by torch.distributed with gloo."""

    def __init__(self, patience: float) -> None:
        import torch
        from torch import distributed
        from torch.distributed.rendezvous import rendezvous

        self._torch, self._distributed = torch, distributed
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self._met = 0
        seconds = max(2 * patience, _LEAST_JOINING)
        until, limit = time.monotonic() + seconds, datetime.timedelta(seconds=seconds)
        try:
            self._store, _, _ = next(rendezvous("env://", self.rank, self.size, timeout=limit))
            self._watch = _Watch(self._store, self.rank, self.size, patience)
            while self._store.add("joined", 0) < self.size:
                if time.monotonic() > until:
                    raise TimeoutError(f"not all were there within {seconds:.0f} seconds")
                time.sleep(_POLL)
            distributed.init_process_group(
                "gloo",
                store=self._store,
                rank=self.rank,
                world_size=self.size,
                timeout=datetime.timedelta(seconds=max(patience, _LEAST_JOINING)),
            )
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise UserError(
                f"process {self.rank} of {self.size} could not join the others ({_line(error)})",
                "start all of them with torchrun, with one rendezvous address for all machines",
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
        tensor = self._torch.from_numpy(values.copy())
        self._together(partial(self._distributed.all_reduce, tensor))
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
        self._meet()
        self._watch.stop()
        until = time.monotonic() + _FAREWELL
        with contextlib.suppress(RuntimeError, ValueError):
            gone = self._store.add("gone", 1)
            # Process 0 may hold the store: it is the last to go.
            while self.rank == 0 and gone < self.size and time.monotonic() < until:
                time.sleep(_POLL)
                gone = self._store.add("gone", 0)
            self._distributed.destroy_process_group()

    def fail(self, error: UserError) -> bool:
        """Tells the others why this process fails; says whether it is the first to."""
        return self._watch.tell(error.what, error.exit_status)

    def interrupted(self) -> None:
        """Raises what a signal to end means; nothing where this process is ending already."""
        self._watch.interrupted()

    def close(self) -> None:
        """Stops giving signs of life."""
        self._watch.stop()

    def _broadcast(self, flat: NDArray[np.uint8], *, sized: bool = False) -> NDArray[np.uint8]:
        if sized:
            size = self._torch.tensor([len(flat)])
            self._together(partial(self._distributed.broadcast, size, 0))
            flat = flat if self.rank == 0 else np.empty(int(size), np.uint8)
        flat = flat if flat.flags.writeable else flat.copy()
        for start in range(0, len(flat), _SLICE):
            part = self._torch.from_numpy(flat[start : start + _SLICE])
            self._together(partial(self._distributed.broadcast, part, 0))
        return flat

    def _together(self, work: Callable[[], Any]) -> None:
        self._meet()
        try:
            work()
        except RuntimeError as error:
            self.check()
            raise self._watch.losing(f"a sum over all failed ({_line(error)})") from None

    def _meet(self) -> None:
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
            raise self._watch.losing(f"the store is gone ({_line(error)})") from None


class _Watch(threading.Thread):
    """Gives this process's signs of life, and looks for the others'."""

    def __init__(self, store: Any, rank: int, size: int, patience: float) -> None:
        super().__init__(daemon=True)
        self._store = store.clone()
        self._rank, self._size, self._patience = rank, size, patience
        self._stopped = threading.Event()
        self._failed: dict[str, Any] | None = None
        self._lost: LostError | None = None
        self._noticed = False
        self._sign(0)
        self._store.add("joined", 1)

    def run(self) -> None:
        seen = {rank: ("", time.monotonic()) for rank in range(self._size) if rank != self._rank}
        tick = 0
        while not self._stopped.wait(min(1.0, self._patience / 10)):
            tick += 1
            try:
                self._sign(tick)
                self._look(seen)
            except RuntimeError as error:
                if not self._stopped.is_set():
                    self.losing(f"the store is gone ({_line(error)})")
            if self._failed or self._lost:
                break
        if not self._stopped.is_set() and not self._noticed:
            # The main thread may be at work for long: its handler of this signal raises.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def check(self) -> None:
        if self._failed is None and self._lost is None:
            return
        self._noticed = True
        if self._lost is not None:
            raise self._lost
        assert self._failed is not None
        with contextlib.suppress(RuntimeError):
            self._store.add("ended", 1)
        raise SystemExit(self._failed["status"])

    def interrupted(self) -> None:
        if self._noticed:
            return
        self.check()
        self._noticed = True
        raise LostError(
            f"process {self._rank} of {self._size} was told to end before the evaluation was done",
            "most likely another process was lost: see its own messages, and start again",
        )

    def tell(self, what: str, status: int) -> bool:
        self._noticed = True
        own = json.dumps({"rank": self._rank, "what": what, "status": status})
        try:
            first = self._store.compare_set("failed", "", own).decode()
            if first != own:
                self._store.add("ended", 1)
                return False
            until = time.monotonic() + _FAREWELL
            while self._store.add("ended", 0) < self._size - 1 and time.monotonic() < until:
                time.sleep(_POLL)
        except RuntimeError:  # the store went first; then each tells its own
            pass
        return True

    def losing(self, why: str) -> LostError:
        """Notes that another process was lost, and returns the error that says so."""
        if self._lost is None:
            self._lost = LostError(
                f"process {self._rank} of {self._size} cannot go on: {why}",
                "nothing was written; see the lost process's own messages, and start again",
            )
        return self._lost

    def stop(self) -> None:
        self._stopped.set()

    def _sign(self, tick: int) -> None:
        self._store.set(f"alive/{self._rank}", str(tick))

    def _look(self, seen: dict[int, tuple[str, float]]) -> None:
        if self._store.check(["failed"]):
            self._failed = json.loads(self._store.get("failed"))
            return
        now = time.monotonic()
        for rank, (before, since) in seen.items():
            key = f"alive/{rank}"
            sign = self._store.get(key).decode() if self._store.check([key]) else ""
            if sign != before:
                seen[rank] = (sign, now)
            elif now - since > self._patience:
                self.losing(f"process {rank} gave no sign of life for {self._patience:.0f} seconds")


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """Joins the processes that torchrun started; yields `Alone` where it started none.

    A `UserError` in one process ends all of them, and one of them tells it. Where a process is
    lost, each of the others tells that.

    Raises:
        UserError: the processes could not be joined, or one was lost.
        SystemExit: another process tells the error.
    """
    if _number("WORLD_SIZE", 1) < 2:
        yield Alone()
        return
    with _own_cores():
        shards = Shards(_number("REID_SRDL_SHARD_TIMEOUT", _PATIENCE))
        # torchrun ends the other processes of a machine as soon as one is lost: they say so.
        before = signal.signal(signal.SIGTERM, lambda number, frame: shards.interrupted())
        try:
            yield shards
            shards.finish()
        except LostError:
            raise
        except UserError as error:
            if not shards.fail(error):
                raise SystemExit(error.exit_status) from None
            raise
        except Exception as error:
            shards.fail(UserError(f"process {shards.rank} failed: {_line(error)}", ""))
            raise
        finally:
            shards.close()
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _own_cores() -> Iterator[None]:
    """Gives each of a machine's processes its share of the cores; OMP_NUM_THREADS says otherwise.

    torchrun sets that to 1 where it is not set.
    """
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    from threadpoolctl import threadpool_limits

    share = max(1, available_cores() // max(1, int(_number("LOCAL_WORLD_SIZE", 1))))
    with threadpool_limits(share, user_api="blas"):
        yield


def _number(name: str, default: float) -> float:
    value = os.environ.get(name, "")
    try:
        return float(value) if value else default
    except ValueError:
        raise UserError(f"${name} is {value!r}", "give a number", usage=True) from None


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
