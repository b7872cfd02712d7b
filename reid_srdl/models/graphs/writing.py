"""Writes a network as a graph: an ONNX file, or a program of torch.export."""

from __future__ import annotations

import importlib.util
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from reid_srdl.errors import UserError
from reid_srdl.models.graphs.standalone import Standalone

INPUT = "images"
_NEEDED = ("onnx", "onnxruntime", "onnxscript")
_EXAMPLES = 2  # images of the example: a batch of one would be taken for a fixed size


def check_onnx(needed: tuple[str, ...] = _NEEDED) -> None:
    """Checks that the packages for ONNX files are installed; imports none.

    Raises:
        UserError: one is not.
    """
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"ONNX files need {' and '.join(missing)}, which is not installed",
            "install it: pip install 'reid-srdl[onnx]'",
        )


def check_suffix(path: Path) -> None:
    """Checks that a name says which kind of graph is wanted, and that it can be had here.

    Raises:
        UserError: neither .onnx nor .pt2, or a package is missing.
    """
    if path.suffix not in WRITERS:
        raise UserError(
            f"{path}: {path.suffix or 'a name without an ending'} is no kind of file that a "
            "network is exported to",
            "name it .onnx for ONNX, or .pt2 for torch.export",
            usage=True,
        )
    if path.suffix == ".onnx":
        check_onnx()


def traced(graph: Standalone, size: tuple[int, int]) -> ExportedProgram:
    """Traces a network for batches of any length.

    Args:
        graph: the network.
        size: (height, width) of its input, in pixels.

    Raises:
        UserError: it does something that torch.export cannot follow.
    """
    example = torch.rand(_EXAMPLES, graph.network.channels, *size)
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            return torch.export.export(graph, (example,), dynamic_shapes=({0: Dim("N")},))
    except Exception as error:  # whatever torch's many layers raise
        raise _unwritable("torch.export", error) from error


def _write_onnx(program: ExportedProgram, answer: str, path: Path) -> None:
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            made = torch.onnx.export(
                program,
                input_names=[INPUT],
                output_names=[answer],
                dynamo=True,
                verbose=False,
                external_data=False,
            )
    except Exception as error:  # whatever torch's many layers raise
        raise _unwritable("torch.onnx", error) from error
    assert made is not None
    made.save(path, external_data=False)


def _write_program(program: ExportedProgram, answer: str, path: Path) -> None:
    content = io.BytesIO()  # torch would tell a full disk as a fault of torch
    torch.export.save(program, content)
    path.write_bytes(content.getvalue())


WRITERS: dict[str, Callable[[ExportedProgram, str, Path], None]] = {
    ".onnx": _write_onnx,
    ".pt2": _write_program,
}


def read_program(path: Path) -> Callable[[Tensor], Tensor]:
    """Returns what a file of torch.export computes."""
    # By content: torch.export reads no path with another ending, such as a temporary name's.
    module = torch.export.load(io.BytesIO(path.read_bytes())).module()

    def run(images: Tensor) -> Tensor:
        with torch.no_grad():
            answer: Tensor = module(images)
        return answer

    return run


def _unwritable(by: str, error: Exception) -> UserError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0] if lines else type(error).__name__
    return UserError(
        f"the network cannot be written as a graph: {by} says: {reason}",
        "export another network, or see the whole story with --debug",
    )
