"""Several machines: an agent of torchrun for each, here two on one, in folders of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.feature_files.reading import save_features
from reid_srdl.group.network import interface_of, reachable, summing_over
from tests.retrieval.test_sharding import ENVIRONMENT, MEMBER, errors
from tests.retrieval.test_streaming import small_set

EVAL = ("-m", "reid_srdl", "eval", "--json", "--features", "f")


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """Two working folders, a copy of the features in each."""
    save_features(tmp_path / "a" / "f", small_set(1))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    return [tmp_path / "a", tmp_path / "b"]


def agents(places: list[Path], *words: str) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["-m", "torch.distributed.run", "--nnodes", str(len(places)), "--nproc-per-node", "1"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}"]
    return [
        subprocess.Popen(
            [sys.executable, *launch, *words],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | ENVIRONMENT,
        )
        for place in places
    ]


def ended(started: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Returns status, output and messages of each agent; skips where they could not meet."""
    told = []
    for agent in started:
        out, err = agent.communicate(timeout=120)
        told.append((agent.returncode, out, err))
    said = "".join(err for _, _, err in told)
    if "RendezvousConnectionError" in said and "share the gallery" not in said:
        pytest.skip("torchrun's agents cannot meet here")
    return told


def test_two_machines_print_the_same_bytes_once(places: list[Path]) -> None:
    one = subprocess.run(
        [sys.executable, *EVAL], cwd=places[0], capture_output=True, text=True, check=True
    )
    told = ended(agents(places, *EVAL, "--per-query", "queries.csv"))
    assert [status for status, _, _ in told] == [0, 0], told
    assert sorted(out for _, out, _ in told) == ["", one.stdout]
    writer = [out != "" for _, out, _ in told].index(True)
    assert (places[writer] / "queries.csv").exists()
    assert not (places[1 - writer] / "queries.csv").exists()
    assert "2 processes share the gallery\n" in told[writer][2]
    assert f"; the one on {socket.gethostname()} prints the results" in told[1 - writer][2]


def test_copies_that_differ_are_an_error(places: list[Path]) -> None:
    file = places[1] / "f" / "gallery_features.npy"
    rows = np.load(file)
    rows[-1, 0] += 1  # a distractor or not: it may be anybody's share
    np.save(file, rows)
    told = ended(agents(places, *EVAL))
    assert all(status != 0 and out == "" for status, out, _ in told)
    (line,) = [line for _, _, err in told for line in errors(err)]
    assert "gallery_features is not the same on all machines (first in rows 0 to 169)" in line


def test_a_machine_that_is_lost_is_told_by_the_other(places: list[Path], tmp_path: Path) -> None:
    started = agents(places, str(MEMBER), "1", str(tmp_path), "eval", "--features", "f")
    until = time.monotonic() + 90
    while not (tmp_path / "idle").exists() and all(agent.poll() is None for agent in started):
        assert time.monotonic() < until
        time.sleep(0.05)
    if (tmp_path / "idle").exists():
        os.kill(int((tmp_path / "idle").read_text()), signal.SIGKILL)
    told = ended(started)
    assert all(status != 0 and out == "" for status, out, _ in told)
    (line,) = [line for _, _, err in told for line in errors(err)]
    # Whoever is first: the watch, or torchrun, which hears of it from the other machine's.
    assert "process 0 of 2 cannot go on: " in line or "was told to end" in line


def test_the_network_is_the_one_to_the_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reachable("10.0.0.7", ["127.0.0.1", "10.0.0.7"]) == "10.0.0.7"
    assert reachable("127.0.0.1", ["127.0.0.1", "127.0.1.1", ""]) == ""
    monkeypatch.setattr("reid_srdl.group.network.address_towards", lambda host: f"towards {host}")
    assert reachable("127.0.1.1", ["127.0.1.1", "10.0.0.7"]) == "towards 10.0.0.7"
    assert reachable("", ["", "10.0.0.7"]) == "towards 10.0.0.7"


@pytest.mark.skipif(sys.platform != "linux", reason="interfaces are looked up as on Linux")
def test_gloo_is_told_the_interface_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("192.0.2.1") is None  # an address of no machine (RFC 5737)
    with summing_over("127.0.0.1"):
        assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
    assert "GLOO_SOCKET_IFNAME" not in os.environ
    with summing_over("192.0.2.1"), summing_over(""):
        assert "GLOO_SOCKET_IFNAME" not in os.environ
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "own")
    with summing_over("127.0.0.1"):
        assert os.environ["GLOO_SOCKET_IFNAME"] == "own"
