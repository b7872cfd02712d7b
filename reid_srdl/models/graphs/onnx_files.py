"""ONNX files as they come from anywhere: what one takes and gives, seen before anything is run."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reid_srdl.errors import UserError
from reid_srdl.places import check_input

_NO_FILE = "name a file that torch.onnx or another exporter wrote whole"


def check_file(path: Path) -> None:
    """Checks, reading no weights, that a file is ONNX and that all of it lies in its folder.

    Raises:
        UserError: it is not, or it names files elsewhere.
    """
    import onnx

    check_input(path, "the ONNX file")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # protobuf's, of two implementations
        raise UserError(f"{path}: cut, damaged, or not an ONNX file", _NO_FILE) from None
    if not model.graph.node:
        raise UserError(f"{path}: not an ONNX file: there is no graph in it", _NO_FILE)
    for location in sorted(set(_locations(model))):
        _check_location(path, location)


def whole_content(path: Path) -> bytes:
    """Returns a checked file with all its weights inside.

    Raises:
        UserError: together they are more than the 2 GB that such a file can hold.
    """
    import onnx

    if not any(_locations(onnx.load(path, load_external_data=False))):
        return path.read_bytes()
    try:
        content: bytes = onnx.load(path).SerializeToString()
    except Exception:  # protobuf's, of two implementations
        raise UserError(
            f"{path}: its weights are more than one ONNX file can hold (2 GB)",
            "give a smaller network",
        ) from None
    return content


def parameters_in(content: bytes) -> int:
    """Returns how many numbers a file's constants hold."""
    import onnx

    constants = onnx.load_from_string(content).graph.initializer
    return sum(math.prod(tensor.dims) for tensor in constants)


def check_content(content: bytes) -> None:
    """Checks that the content of a file is ONNX, and that all of it is inside.

    Raises:
        UserError: it is not.
    """
    import onnx

    try:
        model = onnx.load_from_string(content)
    except Exception:  # protobuf's, of two implementations
        model = None
    if model is None or any(_locations(model)):
        raise UserError("the imported ONNX file is damaged", "import it again")


def _check_location(path: Path, location: str) -> None:
    """Checks that weights kept outside a file lie in its folder, links followed."""
    folder = os.path.realpath(path.parent)
    place = os.path.realpath(os.path.join(folder, location))  # noqa: PTH118 - may be absolute
    if os.path.commonpath([folder, place]) != folder:
        raise UserError(
            f"{path}: its weights lie outside its folder: {location!r}; they were not read",
            "put them beside the file, or export it with the weights inside",
        )
    if not os.path.isfile(place):  # noqa: PTH113
        raise UserError(
            f"{path}: its weights are not there: {location!r}",
            "put the file that holds them beside it, or export it with the weights inside",
        )


def _locations(model: Any) -> Iterator[str]:
    """Yields the names of the files that hold a model's tensors, wherever these stand."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: Any) -> Iterator[str]:
    for tensor in graph.initializer:
        yield from _of_tensor(tensor)
    for sparse in graph.sparse_initializer:
        yield from _of_tensor(sparse.values)
        yield from _of_tensor(sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Any) -> Iterator[str]:
    for node in nodes:
        for attribute in node.attribute:
            for tensor in (attribute.t, *attribute.tensors):
                yield from _of_tensor(tensor)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from _of_tensor(sparse.values)
                yield from _of_tensor(sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _of_graph(graph)


def _of_tensor(tensor: Any) -> Iterator[str]:
    for entry in tensor.external_data:
        if entry.key == "location":
            yield entry.value
