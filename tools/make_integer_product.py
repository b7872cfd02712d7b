#!/usr/bin/env python
"""Writes the operator that the integers' kernel runs, as ONNX: integer_product.onnx.

Needs the package onnx, which is among the development requirements.

Example:  python tools/make_integer_product.py reid_srdl/retrieval/counting/kernels
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

_ZERO = 128  # what stands for 0 among the queries' unsigned bytes


def model() -> bytes:
    """Returns the model: q (Q x D unsigned), g (D x N signed), scale (N) to v (Q x N float32)."""
    inputs = [
        helper.make_tensor_value_info("q", TensorProto.UINT8, ["Q", "D"]),
        helper.make_tensor_value_info("g", TensorProto.INT8, ["D", "N"]),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, ["N"]),
    ]
    constants = [
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("zero", TensorProto.UINT8, [], [_ZERO]),
    ]
    product = helper.make_node(
        "MatMulIntegerToFloat", ["q", "g", "one", "scale", "zero"], ["v"], domain="com.microsoft"
    )
    output = helper.make_tensor_value_info("v", TensorProto.FLOAT, ["Q", "N"])
    graph = helper.make_graph([product], "integer_product", inputs, [output], constants)
    versions = [helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=versions, producer_name="reid-srdl")
    made.ir_version = 8
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString(deterministic=True))


if __name__ == "__main__":
    (Path(sys.argv[1]) / "integer_product.onnx").write_bytes(model())
