"""One piece of work shared among processes: who takes part, sums, and what if one dies.

Processes are started by ``torchrun --nproc-per-node N -m reid_srdl eval ...``, on several machines
with its rendezvous (``--nnodes``, ``--rdzv-endpoint``), or by anything else that sets RANK,
WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Only then is torch imported. Sums are of integers, so they
do not depend on who counted what. Which process is number 0, and so prints and writes the
results, is up to torchrun; that all machines hold the same features is checked by evaluation.

Each process gives signs of life in torch's store. Before a sum all wait there and watch for each
other, so that the sum itself takes next to no time: if a process dies or hangs, the others notice
within the patience, 30 seconds or $REID_SRDL_SHARD_TIMEOUT.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.failures import in_words
from reid_srdl.group.watch import AGAIN, LostError
from reid_srdl.machine import available_cores

Int64s = NDArray[np.int64]

_PATIENCE = 30.0  # seconds without a sign of life


class Group(Protocol):
    """The processes that share a piece of work.

    Attributes:
        rank, size: which process this is, of how many.
        local_rank, local_size: which of its machine's, of how many.
        writer: the machine of process 0, which prints and writes the results.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    writer: str

    def check(self) -> None:
        """Raises where another process has failed or was lost; cheap."""

    def summed(self, values: Int64s) -> Int64s:
        """Returns the sum of all processes' values."""

    def shared(self, arrays: dict[str, NDArray[Any]] | None) -> dict[str, NDArray[Any]]:
        """Returns the arrays of process 0; the others give None."""

    def device(self, name: str) -> str:
        """Returns this process's own device of a kind."""

    def meet(self) -> None:
        """Waits until all processes are here, however long one of them takes."""

    def texts(self, own: str) -> list[str]:
        """Returns a text of each process, by rank."""

    def sum(self, begin: Callable[[], Any]) -> None:
        """Does what torch.distributed begins, a sum or the like, and watches the others."""


class Alone:
    """One process."""

    rank, size = 0, 1
    local_rank, local_size = 0, 1
    writer = ""

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

    def meet(self) -> None:
        """Nobody else is to come."""

    def texts(self, own: str) -> list[str]:
        """Returns the text."""
        return [own]

    def sum(self, begin: Callable[[], Any]) -> None:
        """Begins it and waits for it."""
        begin().wait()


def check_alone(command: str) -> None:
    """Refuses a command that several processes would each do once more.

    Raises:
        UserError: several were started.
    """
    size = int(_number("WORLD_SIZE", 1))
    if size > 1:
        raise UserError(
            f"{command}: torchrun started {size} processes, of which each would do the same",
            "give this command without torchrun; train, eval and profile share their work",
            usage=True,
        )


@contextlib.contextmanager
def joined(kept: str = "nothing was written") -> Iterator[Group]:
    """Joins the processes that torchrun started; yields `Alone` where it started none.

    An error in one process ends all of them, and one of them reports it. If a process dies, each of
    the others reports that.

    Args:
        kept: what is kept where one dies, as the others say it.

    Raises:
        UserError: the processes could not be joined, or one was lost.
        SystemExit: another process reports the error.
    """
    if _number("WORLD_SIZE", 1) < 2:
        yield Alone()
        return
    with _own_cores(), _told_to_end() as interrupted:
        from reid_srdl.group.shards import Shards

        shards = Shards(_number("REID_SRDL_SHARD_TIMEOUT", _PATIENCE), kept)
        interrupted.append(shards.interrupted)
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
            words = in_words(error)
            what = f"process {shards.rank} of {shards.size}: {words.what}"
            told = UserError(what, words.hint)
            if not shards.fail(told):
                raise SystemExit(told.exit_status) from None
            raise told from error
        finally:
            shards.close()


@contextlib.contextmanager
def _told_to_end() -> Iterator[list[Callable[[], None]]]:
    """Makes SIGTERM an error: torchrun so ends a machine's other processes when one is lost.

    Yields a list; what is appended to it is called and may know better.
    """
    told: list[Callable[[], None]] = []

    def handle(number: int, frame: FrameType | None) -> None:
        for interrupted in told:
            interrupted()
        if not told:
            raise LostError("this process was told to end while joining the others", AGAIN)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield told
    finally:
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
