"""What the examples' training scripts share: a network as ONNX, and the inputs beside it with onnxruntime's outputs.

    python3 -m venv venv && venv/bin/pip install -r examples/common/requirements.txt && venv/bin/python examples/NAME/train.py

The committed files were made so. Running an example needs none of this.
"""

import json
import pathlib

import numpy
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Collects nodes; arrays become initializers as they are passed."""

    def __init__(self, inputs):
        self.inputs, self.nodes, self.constants = inputs, [], []

    def __call__(self, op, *inputs, **attributes):
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [out], **attributes))
        return out

    def _constant(self, value):
        value = numpy.asarray(value)
        value = value.astype(numpy.float32) if value.dtype == numpy.float64 else value
        self.constants.append(numpy_helper.from_array(value, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def dense(self, value, weights, biases, activation="Relu"):
        """Dense layers with an activation between them, none behind the last."""
        for index, (weight, bias) in enumerate(zip(weights, biases)):
            value = self("Gemm", value if index == 0 else self(activation, value), weight, bias)
        return value

    def save(self, folder, output, name="network.onnx", kind=TensorProto.FLOAT):
        """Writes the network and gives a function that runs it on rows."""
        graph = helper.make_graph(
            self.nodes, "network",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, self.inputs])],
            [helper.make_tensor_value_info(output, kind, None)],
            self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = pathlib.Path(folder) / name
        path.write_bytes(model.SerializeToString())
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

        def run(rows):
            rows = numpy.asarray(rows, dtype=numpy.float32)
            return [[float(value) for value in session.run(None, {"input": row[None]})[0].ravel()] for row in rows]

        return run


def standardised(weights, biases, mean, scale):
    """The same layers with the first one taking values as they are, in place of (value - mean) / scale."""
    first = weights[0] / scale[:, None]
    return [first, *weights[1:]], [biases[0] - mean @ first, *biases[1:]]


def units(rows):
    """For each column the power of ten in which its values vary by 1 to 10: one fixed-point scale then suits all columns."""
    return 10.0 ** numpy.floor(numpy.log10(rows.std(axis=0)))


def short(rows):
    """Rows with as many digits as a 32-bit float has."""
    return [[float(f"{value:.7g}") for value in row] for row in rows]


def write_samples(folder, run, rows, **more):
    """input.json with the first row and samples.json with all: what `tapeout` is run on, and what onnxruntime says of it."""
    rows = short(rows)
    outputs = run(rows)
    write(folder, "input.json", {"input_data": rows[:1], "output_data": outputs[:1]})
    write(folder, "samples.json", {"samples": rows, "outputs": outputs, **more})


def write(folder, name, value):
    (pathlib.Path(folder) / name).write_text(json.dumps(value) + "\n", encoding="utf-8")
