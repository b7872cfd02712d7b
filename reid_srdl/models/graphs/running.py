"""Runs an ONNX file on images: ONNX Runtime, batches of any length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.models.graphs.onnx_files import check_content, check_file
from reid_srdl.models.graphs.writing import check_onnx

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_OUTPUT = "features"  # what is taken of a file that gives several things
_EXPORT = "export it with one input, float32 images N x C x H x W, and one output, N x D"


@dataclass(frozen=True)
class OnnxGraph:
    """A file that maps N x C x H x W float32 images to N x D features.

    Attributes:
        path: the file.
        channels: C, 3 or 1.
        size: (H, W) in pixels; None where the file takes any.
        batch: N; None where the file takes any.
    """

    path: Path
    channels: int
    size: tuple[int, int] | None
    batch: int | None
    _session: Any
    _input: str
    _output: str

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns N x D answers, D whatever the file gives.

        A file made for one length of batch gets the images in pieces, the last one filled up.

        Raises:
            UserError: ONNX Runtime refuses, or what comes out is not N x D.
        """
        length = self.batch or len(images)
        parts = [
            self._piece(images[start : start + length], length)
            for start in range(0, len(images), length)
        ]
        return np.concatenate(parts)

    def _piece(self, images: NDArray[np.float32], length: int) -> NDArray[np.float32]:
        missing = length - len(images)
        filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        try:
            (answer,) = self._session.run([self._output], {self._input: filled})
        except Exception as error:  # ONNX Runtime has a class for each of its codes
            raise _refused(self.path, error) from None
        if answer.ndim > 2 and set(answer.shape[2:]) == {1}:  # pooled, not flattened
            answer = answer.reshape(answer.shape[:2])
        if answer.ndim != 2 or len(answer) != length:
            raise UserError(
                f"{self.path}: gives {self._output!r} of the shape {_shape(answer.shape)} for "
                f"{length} images, not a feature for each",
                _EXPORT,
            )
        return np.asarray(answer[: len(images)], np.float32)


def open_onnx(source: Path | bytes, *, threads: int = 1, device: str = "cpu") -> OnnxGraph:
    """Opens an ONNX file; nothing of it is run, and nothing outside its folder is read.

    Args:
        source: the file, or its content.
        threads: of each operation, on the CPU.
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: a package is missing; it is no ONNX file, or of a version or with operations
            that ONNX Runtime lacks; it does not map images to features; the device cannot be used.
    """
    check_onnx(("onnx", "onnxruntime"))
    path = source if isinstance(source, Path) else Path("the imported ONNX file")
    if isinstance(source, Path):
        check_file(source)
    else:
        check_content(source)
    import onnxruntime

    providers = _providers(device)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what is fatal is raised, too
    try:
        session = onnxruntime.InferenceSession(
            str(source) if isinstance(source, Path) else source,
            options,
            providers=providers,
        )
    except Exception as error:  # ONNX Runtime has a class for each of its codes
        raise _refused(path, error) from None
    if device != "cpu" and _CUDA not in session.get_providers():  # it goes on without a word
        raise UserError(
            "this ONNX Runtime has CUDA, and cannot use it here",
            "add --device cpu, or install the CUDA and cuDNN that this onnxruntime-gpu names",
        )
    taken = _only_input(path, session.get_inputs())
    batch, channels, *size = taken.shape
    return OnnxGraph(
        path,
        channels,
        (size[0], size[1]) if all(isinstance(side, int) for side in size) else None,
        batch if isinstance(batch, int) else None,
        session,
        taken.name,
        _only_output(path, session.get_outputs()),
    )


def runs_on_cuda() -> bool:
    """Says whether ONNX Runtime was built for CUDA.

    Raises:
        UserError: it is missing.
    """
    check_onnx(("onnx", "onnxruntime"))
    import onnxruntime

    return _CUDA in onnxruntime.get_available_providers()


def check_device(device: str) -> None:
    """Checks that ONNX Runtime was built for a device, before anything is read for it.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: it was not, or it is missing.
    """
    if device != "cpu" and not runs_on_cuda():
        raise UserError(
            "this ONNX Runtime has no CUDA",
            "add --device cpu, or install onnxruntime-gpu in its place",
        )


def _providers(device: str) -> list[Any]:
    """Returns what ONNX Runtime is to compute with, in order."""
    check_device(device)
    if device == "cpu":
        return [_CPU]
    number = device.partition(":")[2] or "0"
    return [(_CUDA, {"device_id": number}), _CPU]


def _only_input(path: Path, inputs: list[Any]) -> Any:
    """Returns the one input, which is images."""
    if len(inputs) != 1:
        names = ", ".join(repr(one.name) for one in inputs) or "none"
        raise UserError(f"{path}: has {len(inputs)} inputs, not one: {names}", _EXPORT)
    (one,) = inputs
    told = f"{path}: its input {one.name!r} is {one.type} of the shape {_shape(one.shape)}"
    if one.type != "tensor(float)" or len(one.shape) != 4:
        raise UserError(f"{told}, not images", _EXPORT)
    if one.shape[1] not in (1, 3):
        last = ": the channels stand last" if one.shape[3] in (1, 3) else ""
        raise UserError(f"{told}, not images of 3 channels, or of 1{last}", _EXPORT)
    return one


def _only_output(path: Path, outputs: list[Any]) -> str:
    names = [str(one.name) for one in outputs]
    if len(names) == 1:
        return names[0]
    if _OUTPUT in names:
        return _OUTPUT
    raise UserError(
        f"{path}: gives {len(names)} things, none called {_OUTPUT!r}: {', '.join(names)}", _EXPORT
    )


def _shape(shape: Any) -> str:
    return " x ".join(map(str, shape)) or "a number"


def _refused(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    hint = "export it for this ONNX Runtime: fewer custom operations, or an older opset_version"
    return UserError(f"{path}: ONNX Runtime cannot run it ({reason})", hint)
