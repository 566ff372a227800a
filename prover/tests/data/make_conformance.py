"""Packs the ONNX project's backend node tests into `conformance.gz`, which prover/tests/model_conformance.rs runs.

The file is a gzip stream: the length of an index (8 bytes, little-endian), the index (JSON, one object per test), and the bytes
that it refers to by offset: models as they are, tensors as row-major little-endian elements. Equal bytes are stored once.
Tests of other types than floats, integers and booleans (strings, sequences, optionals, 4- and 8-bit floats, ...) are listed by
name and type alone.

The committed file was made with onnx 1.23.2 and numpy 2.4.6:
    pip install onnx==1.23.2 numpy==2.4.6 ml_dtypes==0.6.0 && python prover/tests/data/make_conformance.py
"""

import gzip
import json
import pathlib
import struct
import warnings

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import TensorProto
from onnx.backend.test.case.node import collect_testcases

warnings.simplefilter("ignore")
NUMBERS = "FLOAT DOUBLE FLOAT16 BFLOAT16 BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64".split()
NUMBERS = {getattr(TensorProto, name) for name in NUMBERS}


class Blob:
    """Byte strings one behind the other, each stored once."""

    def __init__(self):
        self.data, self.places = bytearray(), {}

    def add(self, piece):
        if piece not in self.places:
            self.places[piece] = len(self.data)
            self.data += piece
        return self.places[piece]


def kind(value):
    """The element type of a tensor; another kind of value by its name."""
    which = value.type.WhichOneof("value")
    return value.type.tensor_type.elem_type if which == "tensor_type" else which


def describe(kind):
    return kind if isinstance(kind, str) else TensorProto.DataType.Name(kind).lower()


def array(value):
    """A test's value, which is an array or a tensor as a message."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def family(case):
    """The operator that a test is of: the last part of names like test_cc_less_equal_expanded_ver18 is no help."""
    nodes = case.model.graph.node
    if len(nodes) == 1:
        return nodes[0].op_type
    return next((n.op_type for n in nodes if case.name.startswith("test_" + n.op_type.lower())), "expanded function")


def main():
    blob, index = Blob(), []
    # What is expanded (the function's body in place of the node) is named after the node of the test without that.
    named = {c.name: c.model.graph.node[0].op_type for c in collect_testcases(None) if len(c.model.graph.node) == 1}
    for case in sorted(collect_testcases(None), key=lambda c: c.name):
        graph = case.model.graph
        op = named.get(case.name.split("_expanded")[0]) or named.get(case.name) or family(case)
        entry = {"name": case.name.removeprefix("test_"), "op": op, "expanded": "_expanded" in case.name}
        others = {kind(v) for v in [*graph.input, *graph.output]} - NUMBERS
        if others:
            entry["types"] = ", ".join(sorted(map(describe, others)))
        else:
            [(inputs, outputs)] = case.data_sets
            tensors = lambda values, ports: [
                {"type": kind(p), "shape": list(np.shape(v)), "at": blob.add(np.ascontiguousarray(v).tobytes())}
                for v, p in zip(map(array, values), ports, strict=True)
            ]
            model = case.model.SerializeToString()
            entry |= {"model": [blob.add(model), len(model)]}
            entry |= {"inputs": tensors(inputs, graph.input), "outputs": tensors(outputs, graph.output)}
        index.append(entry)
    index = json.dumps(index, separators=(",", ":")).encode()
    packed = gzip.compress(struct.pack("<Q", len(index)) + index + bytes(blob.data), 9, mtime=0)
    pathlib.Path(__file__).with_name("conformance.gz").write_bytes(packed)
    print(f"{len(packed)} bytes")


if __name__ == "__main__":
    main()
