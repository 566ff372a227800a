"""Builds two networks that are one step of training each, and the batches that they are run on.

A step takes weights and a batch and gives new weights and the loss: forward, loss, gradient by hand, and stochastic gradient descent. All values are
integers: weights with 12 bits behind the point, features with 8. Integers have one scale in every proof, so that the commitment to
the weights that one step gives is the commitment to the weights that the next one takes.

    pip install -r examples/common/requirements.txt && python examples/training/train.py
"""

import json
import pathlib
import sys

import numpy
import onnxruntime
from onnx import TensorProto, helper
from sklearn.datasets import load_diabetes, load_iris

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from training import Graph, write  # noqa: E402

WEIGHT, FEATURE = 2.0**12, 2.0**8


class Step(Graph):
    """A graph over one row of integers, read piece by piece."""

    def __init__(self, inputs):
        super().__init__(inputs)
        self.read = 0

    def take(self, rows, columns, unit):
        """The next integers as a matrix of numbers, `unit` being 1."""
        size = rows * columns
        ends = [numpy.array([end], dtype=numpy.int64) for end in (self.read, self.read + size, 1)]
        self.read += size
        piece = self("Cast", self("Slice", "input", *ends), to=TensorProto.FLOAT)
        return self("Reshape", self("Mul", piece, numpy.float32(1 / unit)), numpy.array([rows, columns], dtype=numpy.int64))

    def flat(self, value, size):
        return self("Reshape", value, numpy.array([1, size], dtype=numpy.int64))

    def update(self, weight, gradient, rate):
        return self("Sub", weight, self("Mul", gradient, numpy.float32(rate)))

    def finish(self, path, parts):
        """Writes the graph: the outputs are the parts, (value, size) each, as integers with the weights' unit."""
        row = self("Concat", *[self.flat(value, size) for value, size in parts], axis=1)
        # What is rounded down is an integer in every proof.
        whole = self("Floor", self("Add", self("Mul", row, numpy.float32(WEIGHT)), numpy.float32(0.5)))
        size = sum(size for _, size in parts)
        graph = helper.make_graph(
            self.nodes, "step", [helper.make_tensor_value_info("input", TensorProto.INT32, [1, self.inputs])],
            [helper.make_tensor_value_info(whole, TensorProto.FLOAT, [1, size])], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path.write_bytes(model.SerializeToString())


def linear(path, features, batch, rate):
    """Least squares. Weights are a column and the bias."""
    step = Step(features + 1 + batch * (features + 1))
    weight, bias = step.take(features, 1, WEIGHT), step.take(1, 1, WEIGHT)
    rows, wanted = step.take(batch, features, FEATURE), step.take(batch, 1, FEATURE)
    error = step("Sub", step("Add", step("MatMul", rows, weight), bias), wanted)
    mean = step("Mul", error, numpy.float32(1 / batch))
    loss = step("ReduceSum", step("Mul", error, mean), keepdims=1)
    slope = step("MatMul", step("Transpose", rows, perm=[1, 0]), mean)
    level = step("ReduceSum", mean, keepdims=1)
    step.finish(path, [(step.update(weight, slope, rate), features), (step.update(bias, level, rate), 1), (loss, 1)])


def two_layers(path, features, hidden, classes, batch, rate):
    """A hidden layer with ReLU and the squared distance to the class's unit vector."""
    step = Step(features * hidden + hidden + hidden * classes + classes + batch * (features + classes))
    shapes = [(features, hidden), (1, hidden), (hidden, classes), (1, classes)]
    weights = [step.take(*shape, WEIGHT) for shape in shapes]
    rows, wanted = step.take(batch, features, FEATURE), step.take(batch, classes, FEATURE)
    before = step("Add", step("MatMul", rows, weights[0]), weights[1])
    active = step("Relu", before)
    error = step("Sub", step("Add", step("MatMul", active, weights[2]), weights[3]), wanted)
    mean = step("Mul", error, numpy.float32(1 / batch))
    loss = step("ReduceSum", step("Mul", error, mean), keepdims=1)
    back = step("MatMul", mean, step("Transpose", weights[2], perm=[1, 0]))
    back = step("Mul", back, step("Cast", step("Greater", before, numpy.zeros(1)), to=TensorProto.FLOAT))
    column = numpy.array([0], dtype=numpy.int64)
    gradients = [
        step("MatMul", step("Transpose", rows, perm=[1, 0]), back), step("ReduceSum", back, column, keepdims=1),
        step("MatMul", step("Transpose", active, perm=[1, 0]), mean), step("ReduceSum", mean, column, keepdims=1)]
    updates = [(step.update(w, g, rate), shape[0] * shape[1]) for w, g, shape in zip(weights, gradients, shapes)]
    step.finish(path, [*updates, (loss, 1)])


def whole(values, unit):
    return [int(value) for value in numpy.round(numpy.ravel(values) * unit)]


def steps(name, start, rows, wanted, batch, count, rng):
    """Batches in a random order, the weights before each step, and what onnxruntime makes of them."""
    session = onnxruntime.InferenceSession(str(HERE / name), providers=["CPUExecutionProvider"])
    state, inputs, outputs = start, [], []
    while len(inputs) < count:
        for chosen in rng.permutation(len(rows))[: len(rows) // batch * batch].reshape(-1, batch):
            inputs.append([*state, *whole(rows[chosen], FEATURE), *whole(wanted[chosen], FEATURE)])
            row = numpy.array([inputs[-1]], dtype=numpy.int32)
            outputs.append([int(value) for value in session.run(None, {"input": row})[0].ravel()])
            state = outputs[-1][:-1]
    print(f"{name}: loss {outputs[0][-1] / WEIGHT:.3f} at the first step, {numpy.mean([o[-1] for o in outputs[-20:]]) / WEIGHT:.3f} at the last twenty of {len(outputs)}")
    return inputs, outputs


def standard(rows):
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def save(prefix, inputs, outputs, weights):
    kept = slice(0, 8)
    write(HERE, f"{prefix}.json", {"samples": inputs[kept], "outputs": outputs[kept], "weights": weights})


def main():
    rng = numpy.random.default_rng(20260101)
    data = load_diabetes()
    linear(HERE / "linear.onnx", 10, 16, 0.1)
    rows, wanted = standard(data.data), standard(data.target[:, None])
    save("linear", *steps("linear.onnx", [0] * 11, rows, wanted, 16, 100, rng), 11)

    data = load_iris()
    two_layers(HERE / "two_layers.onnx", 4, 8, 3, 12, 0.1)
    start = [*whole(rng.normal(0, 0.5, 32), WEIGHT), *[0] * 8, *whole(rng.normal(0, 0.35, 24), WEIGHT), *[0] * 3]
    save("two_layers", *steps("two_layers.onnx", start, standard(data.data), numpy.eye(3)[data.target], 12, 100, rng), 67)


if __name__ == "__main__":
    main()
