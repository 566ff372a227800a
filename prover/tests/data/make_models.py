"""Writes the small models that the tests of model import run on, with onnxruntime's outputs.

    ops/NAME.onnx    one operator, or one combination that fuses
    ops/cases.json   {NAME: {"inputs": [[...], ...], "outputs": [[...], ...]}}
    bad/NAME.onnx    models that must be refused

The committed files were made with onnx 1.23 and onnxruntime 1.32:
    pip install onnx onnxruntime && python prover/tests/data/make_models.py
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20260101)
CASES = {}
ort.set_default_logger_severity(3)


def tensor(shape, low=-1.0, high=1.0):
    return RNG.uniform(low, high, shape).astype(np.float32)


def short(value):
    """The value with the digits that a 32-bit float has."""
    return float(f"{value:.9g}")


def ints(values):
    return np.array(values, dtype=np.int64)


class Builder:
    """Collects nodes; constants become initializers as they are passed."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def constant(self, value):
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def __call__(self, op, *inputs, outputs=1, **attributes):
        """Adds a node and names its outputs. An operator of ai.onnx.ml is named with a leading `ml.`."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        if op.startswith("ml."):
            op, attributes = op.removeprefix("ml."), {**attributes, "domain": "ai.onnx.ml"}
        outs = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, names, outs, **attributes))
        return outs[0] if outputs == 1 else outs

    def model(self, shape, output, opset):
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.initializers,
        )
        imports = [helper.make_opsetid("", opset)]
        if any(node.domain == "ai.onnx.ml" for node in self.nodes):
            imports.append(helper.make_opsetid("ai.onnx.ml", 3))
        return helper.make_model(graph, opset_imports=imports, ir_version=8)


def case(name, shape, build, opset=13, samples=3, low=-1.0, high=1.0):
    b = Builder()
    model = b.model(shape, build(b), opset)
    path = HERE / "ops" / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    fixed = [d if isinstance(d, int) else 1 for d in shape]
    inputs = [tensor(fixed, low, high) for _ in range(samples)]
    outputs = [session.run(None, {"x": x})[0] for x in inputs]
    assert all(np.isfinite(o).all() for o in outputs), name
    CASES[name] = {
        "shape": list(outputs[0].shape),
        "inputs": [[short(v) for v in x.ravel()] for x in inputs],
        "outputs": [[short(v) for v in o.ravel()] for o in outputs],
    }


def batch_norm(b, x, channels, **attributes):
    gamma, beta, mean, var = tensor(channels), tensor(channels), tensor(channels), tensor(channels, 0.5, 2.0)
    return b("BatchNormalization", x, gamma, beta, mean, var, **attributes)


def linear_cases():
    case("gemm", [1, 6], lambda b: b("Gemm", "x", tensor([6, 4]), tensor([4])))
    case("gemm_trans_b", ["batch", 6], lambda b: b("Gemm", "x", tensor([4, 6]), tensor([1, 4]), transB=1))
    case("gemm_alpha_beta", [3, 5], lambda b: b("Gemm", "x", tensor([5, 4]), tensor([4]), alpha=0.5, beta=-2.0), opset=11)
    case("gemm_trans_a", [5, 3], lambda b: b("Gemm", "x", tensor([5, 4]), tensor([3, 1]), transA=1))
    case("gemm_left_constant", [5, 3], lambda b: b("Gemm", tensor([4, 5]), "x", tensor([4, 3])))
    case("gemm_no_bias", [2, 5], lambda b: b("Gemm", "x", tensor([5, 4])))
    case("gemm_activation_bias", [4, 4], lambda b: b("Gemm", "x", tensor([4, 4]), b("Relu", "x"), beta=0.5))
    case("matmul", [1, 5, 6], lambda b: b("Add", b("MatMul", "x", tensor([6, 4])), tensor([4])))
    case("matmul_left", [1, 6, 5], lambda b: b("MatMul", tensor([3, 6]), "x"))
    case("matmul_batched", [2, 3, 4], lambda b: b("MatMul", "x", tensor([2, 4, 5])))
    case("matmul_broadcast", [3, 4], lambda b: b("MatMul", "x", tensor([2, 4, 5])))
    case("matmul_vector", [4, 6], lambda b: b("MatMul", "x", tensor([6])))
    case("matmul_vector_left", [6, 4], lambda b: b("MatMul", tensor([6]), "x"))
    case("matmul_row_scaled", [1, 3, 4], lambda b: b("MatMul", b("Mul", "x", tensor([3, 1])), tensor([4, 2])))
    case("matmul_column_scaled", [1, 3, 4], lambda b: b("MatMul", b("Mul", b("Add", "x", tensor([4])), tensor([4])), tensor([4, 2])))
    case("matmul_relu_transposed", [1, 3, 4], lambda b: b("Transpose", b("Relu", b("MatMul", "x", tensor([4, 5]))), perm=[0, 2, 1]))


def conv_cases():
    def conv(b, x, w, bias=None, **kw):
        return b("Conv", x, w, *([] if bias is None else [bias]), **kw)

    case("conv", [1, 2, 6, 7], lambda b: conv(b, "x", tensor([3, 2, 3, 3]), tensor([3])))
    case("conv_pad", [1, 2, 5, 6], lambda b: conv(b, "x", tensor([3, 2, 3, 3]), pads=[1, 1, 1, 1]))
    case("conv_uneven_pad", [1, 2, 5, 6], lambda b: conv(b, "x", tensor([2, 2, 3, 2]), tensor([2]), pads=[2, 0, 1, 1]))
    case("conv_stride", [1, 3, 9, 8], lambda b: conv(b, "x", tensor([2, 3, 3, 3]), tensor([2]), strides=[2, 3], pads=[1, 1, 1, 1]))
    case("conv_dilated", [1, 2, 9, 9], lambda b: conv(b, "x", tensor([2, 2, 3, 3]), dilations=[2, 3], pads=[2, 1, 2, 1]))
    case("conv_groups", [1, 4, 5, 5], lambda b: conv(b, "x", tensor([6, 2, 3, 3]), tensor([6]), group=2, pads=[1, 1, 1, 1]))
    case("conv_depthwise", [1, 3, 6, 6], lambda b: conv(b, "x", tensor([3, 1, 3, 3]), group=3, strides=[2, 2], pads=[1, 1, 1, 1]))
    case("conv_pointwise_stride", [1, 3, 7, 7], lambda b: conv(b, "x", tensor([4, 3, 1, 1]), strides=[2, 2]))
    case("conv_same_upper", [1, 2, 7, 6], lambda b: conv(b, "x", tensor([2, 2, 4, 3]), auto_pad="SAME_UPPER", strides=[2, 2]))
    case("conv_same_lower", [1, 2, 7, 6], lambda b: conv(b, "x", tensor([2, 2, 4, 3]), auto_pad="SAME_LOWER", strides=[2, 2]))
    case("conv_valid", [1, 1, 5, 5], lambda b: conv(b, "x", tensor([2, 1, 2, 2]), auto_pad="VALID", kernel_shape=[2, 2]))
    case("conv_1d", [1, 3, 12], lambda b: conv(b, "x", tensor([4, 3, 5]), tensor([4]), strides=[2], pads=[3, 1]))
    case("conv_3d", [1, 2, 4, 4, 3], lambda b: conv(b, "x", tensor([2, 2, 2, 3, 2]), tensor([2]), pads=[0, 1, 1, 1, 1, 0]))
    case("conv_narrow", [1, 2, 1, 1], lambda b: conv(b, "x", tensor([2, 2, 3, 3]), tensor([2]), pads=[1, 1, 1, 1]))
    case("conv_wide_pad", [1, 1, 3, 3], lambda b: conv(b, "x", tensor([2, 1, 2, 2]), pads=[3, 2, 2, 3]))
    case("conv_bn_relu", [1, 2, 6, 6], lambda b: b("Relu", batch_norm(b, conv(b, "x", tensor([3, 2, 3, 3]), tensor([3])), 3, epsilon=1e-3)))
    case("conv_normalised_input", [1, 3, 5, 5], lambda b: conv(
        b, b("Div", b("Sub", "x", tensor([3, 1, 1])), tensor([3, 1, 1], 0.2, 0.3)), tensor([2, 3, 3, 3]), tensor([2]), pads=[1, 1, 1, 1]))
    case("conv_mean_image", [1, 2, 4, 4], lambda b: conv(b, b("Sub", "x", tensor([2, 4, 4])), tensor([2, 2, 3, 3]), pads=[1, 1, 1, 1]))
    case("conv_position_bias", [1, 2, 5, 5], lambda b: b("Relu", b("Add", conv(b, "x", tensor([3, 2, 3, 3])), tensor([3, 3, 3]))))
    case("conv_position_scale", [1, 2, 5, 5], lambda b: b("Mul", conv(b, "x", tensor([3, 2, 3, 3])), tensor([3, 3, 3])))

    def residual(b):
        y = b("Relu", conv(b, "x", tensor([3, 3, 3, 3]), tensor([3]), pads=[1, 1, 1, 1]))
        z = batch_norm(b, conv(b, y, tensor([3, 3, 3, 3], -0.3, 0.3), pads=[1, 1, 1, 1]), 3)
        z = b("Relu", b("Add", z, y))
        return b("GlobalAveragePool", z)

    case("residual", [1, 3, 6, 6], residual)

    def downsample(b):
        y = b("Relu", conv(b, "x", tensor([4, 2, 3, 3]), strides=[2, 2], pads=[1, 1, 1, 1]))
        return b("Relu", b("Add", y, conv(b, "x", tensor([4, 2, 1, 1]), tensor([4]), strides=[2, 2])))

    case("residual_downsample", [1, 2, 6, 6], downsample)


def pool_cases():
    def conv(b, channels=2):
        return b("Conv", "x", tensor([channels, 1, 3, 3]), tensor([channels]))

    case("max_pool", [1, 2, 6, 6], lambda b: b("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2]))
    case("max_pool_overlap", [1, 2, 7, 7], lambda b: b("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2]))
    case("max_pool_pad", [1, 2, 5, 5], lambda b: b("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    case("max_pool_pad_relu", [1, 2, 5, 5], lambda b: b("MaxPool", b("Relu", "x"), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    case("max_pool_dilated", [1, 1, 7, 8], lambda b: b("MaxPool", "x", kernel_shape=[2, 3], dilations=[3, 2], strides=[1, 2]))
    case("max_pool_ceil", [1, 1, 6, 7], lambda b: b("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1))
    case("max_pool_1d", [1, 3, 9], lambda b: b("MaxPool", "x", kernel_shape=[3], strides=[2]))
    case("max_pool_1d_pad", [1, 3, 9], lambda b: b("MaxPool", "x", kernel_shape=[4], strides=[3], pads=[2, 1]))
    case("max_pool_cropped", [1, 2, 7, 5], lambda b: b("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2]))
    case("max_pool_same", [1, 1, 5, 6], lambda b: b("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"), opset=11)
    case("max_pool_negated", [1, 2, 4, 4], lambda b: b("MaxPool", b("Neg", b("Add", "x", tensor([2, 1, 1]))), kernel_shape=[2, 2], strides=[2, 2]))
    case("conv_relu_max_pool", [1, 1, 8, 8], lambda b: b("MaxPool", b("Relu", conv(b)), kernel_shape=[2, 2], strides=[2, 2]))
    case("conv_max_pool_relu", [1, 1, 8, 8], lambda b: b("Relu", b("MaxPool", conv(b), kernel_shape=[3, 3], strides=[2, 2])))
    case("conv_max_pool", [1, 1, 9, 8], lambda b: b("MaxPool", conv(b), kernel_shape=[3, 2], strides=[1, 2], dilations=[2, 1]))
    case("conv_max_pool_pad", [1, 1, 8, 8], lambda b: b("MaxPool", conv(b), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    case("conv_1d_max_pool", [1, 2, 14], lambda b: b("MaxPool", b("Relu", b("Conv", "x", tensor([3, 2, 3]))), kernel_shape=[3], strides=[3]))
    case("relu_max_pool_relu", [1, 2, 4, 4], lambda b: b("Relu", b("MaxPool", b("Relu", "x"), kernel_shape=[2, 2])))
    case("global_max_pool", [1, 3, 4, 5], lambda b: b("GlobalMaxPool", "x"))
    case("average_pool", [1, 2, 6, 6], lambda b: b("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2]))
    case("average_pool_pad", [1, 2, 5, 5], lambda b: b("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    case("average_pool_include", [1, 2, 5, 5], lambda b: b(
        "AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1))
    case("average_pool_ceil", [1, 2, 6, 5], lambda b: b("AveragePool", "x", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1))
    case("average_pool_offset", [1, 2, 4, 4], lambda b: b("AveragePool", b("Add", "x", tensor([2, 1, 1])), kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    case("average_pool_1d", [1, 2, 7], lambda b: b("AveragePool", "x", kernel_shape=[3], pads=[1, 1]))
    case("conv_relu_average_pool", [1, 1, 6, 6], lambda b: b("AveragePool", b("Relu", conv(b)), kernel_shape=[2, 2], strides=[2, 2]))
    case("global_average_pool", [1, 3, 4, 5], lambda b: b("GlobalAveragePool", "x"))
    case("reduce_mean", [1, 3, 4, 5], lambda b: b("ReduceMean", "x", axes=[2, 3], keepdims=0))
    case("reduce_mean_input", [2, 3, 4], lambda b: b("ReduceMean", "x", ints([-2])), opset=18)


def elementwise_cases():
    case("relu", [2, 5], lambda b: b("Relu", "x"))
    case("add_constant", [1, 2, 3, 3], lambda b: b("Add", "x", tensor([2, 1, 1])))
    case("add_self", [1, 6], lambda b: b("Add", "x", "x"))
    case("add_broadcast", [1, 2, 1, 3], lambda b: b("Add", "x", b("Relu", b("Reshape", "x", ints([1, 2, 3, 1])))))
    case("sub", [1, 6], lambda b: b("Sub", b("Relu", "x"), "x"))
    case("sub_from_constant", [1, 6], lambda b: b("Sub", tensor([6]), "x"))
    case("mul_constant", [2, 3], lambda b: b("Mul", tensor([2, 3]), "x"))
    case("mul_middle_axis", [2, 3, 4], lambda b: b("Relu", b("Mul", "x", tensor([3, 1]))))
    case("div_constant", [2, 3], lambda b: b("Div", "x", tensor([3], 0.5, 2.0)))
    case("neg", [4], lambda b: b("Neg", "x"))
    case("add_gemms", [1, 5], lambda b: b("Relu", b("Add", b("Gemm", "x", tensor([5, 4])), b("Gemm", "x", tensor([5, 4]), tensor([4])))))
    case("add_conv_matmul", [1, 2, 3, 3], lambda b: b("Add", b("Conv", "x", tensor([2, 2, 1, 1])), b("MatMul", "x", tensor([3, 3]))))
    case("linear_read_twice", [1, 5], lambda b: (lambda y: b("Add", b("Relu", y), y))(b("Gemm", "x", tensor([5, 5]))))
    case("batch_norm", [1, 3, 2, 2], lambda b: batch_norm(b, "x", 3), opset=9)
    case("batch_norm_flat", [1, 5], lambda b: batch_norm(b, "x", 5, epsilon=0.01), opset=15)
    case("clip", [1, 8], lambda b: b("Clip", "x", np.float32(-0.4), np.float32(0.6)))
    case("clip_attributes", [1, 8], lambda b: b("Clip", "x", min=-0.4, max=0.6), opset=6)
    case("relu6", [1, 2, 3, 3], lambda b: b("Clip", b("Mul", "x", np.float32(5)), np.float32(0), np.float32(6)), low=-2, high=2)
    case("relu6_conv", [1, 1, 5, 5], lambda b: b("Clip", b("Conv", "x", tensor([2, 1, 3, 3], -4, 4)), min=0.0, max=6.0), opset=6)
    case("relu6_max_pool", [1, 2, 4, 4], lambda b: b("MaxPool", b("Clip", b("Mul", "x", np.float32(9)), min=0.0, max=6.0), kernel_shape=[2, 2]), opset=8)
    case("clip_min", [1, 8], lambda b: b("Clip", "x", np.float32(0.25)))
    case("clip_max", [1, 8], lambda b: b("Clip", "x", "", np.float32(0.25)))
    case("clip_offset_conv", [1, 1, 4, 4], lambda b: b(
        "Conv", b("Clip", "x", np.float32(-0.5), np.float32(0.5)), tensor([2, 1, 3, 3]), pads=[1, 1, 1, 1]))
    case("leaky_relu", [1, 6], lambda b: b("LeakyRelu", "x", alpha=0.2))
    case("leaky_relu_default", [1, 6], lambda b: b("LeakyRelu", b("Gemm", "x", tensor([6, 4]))), opset=11)
    case("leaky_relu_conv", [1, 1, 6, 6], lambda b: b(
        "Conv", b("LeakyRelu", b("Conv", "x", tensor([2, 1, 3, 3])), alpha=0.1), tensor([2, 2, 3, 3]), pads=[1, 1, 1, 1]))
    case("prelu", [1, 3, 2, 2], lambda b: b("PRelu", "x", tensor([3, 1, 1], 0.0, 0.5)))


def movement_cases():
    case("flatten", [1, 2, 3, 2], lambda b: b("Gemm", b("Flatten", b("Relu", "x")), tensor([12, 3])))
    case("flatten_axis", [2, 3, 2], lambda b: b("Flatten", "x", axis=-1))
    case("reshape", [1, 2, 6], lambda b: b("Reshape", "x", ints([0, -1, 3])))
    case("identity", [1, 2, 6], lambda b: b("Identity", b("Reshape", "x", ints([3, 4]))), opset=8)
    case("transpose", [2, 3, 4], lambda b: b("Transpose", "x", perm=[2, 0, 1]))
    case("transpose_default", [2, 3], lambda b: b("Transpose", b("Gemm", "x", tensor([3, 4]))))
    case("squeeze", [1, 3, 1, 2], lambda b: b("Squeeze", "x", ints([0, -2])))
    case("squeeze_attribute", [1, 3, 1, 2], lambda b: b("Unsqueeze", b("Squeeze", "x", axes=[2]), axes=[0, 3]), opset=11)
    case("unsqueeze", [2, 3], lambda b: b("Unsqueeze", "x", ints([-1, 0])))
    case("dropout", [1, 5], lambda b: b("Dropout", b("Gemm", "x", tensor([5, 3])), np.float32(0.5)))
    case("dropout_old", [1, 5], lambda b: b("Dropout", b("Gemm", "x", tensor([5, 3]), tensor([3])), ratio=0.3), opset=10)
    case("cast", [1, 5], lambda b: b("Cast", "x", to=TensorProto.FLOAT))
    case("concat", [1, 2, 3, 3], lambda b: b("Concat", b("Relu", "x"), "x", tensor([1, 1, 3, 3]), axis=1))
    case("concat_scaled", [1, 2, 3, 3], lambda b: b("Conv", b("Concat", b("Mul", "x", np.float32(3)), b("Relu", "x"), axis=-3), tensor([2, 4, 3, 3]), pads=[1, 1, 1, 1]))
    case("concat_sums", [2, 3], lambda b: b("Concat", b("Add", "x", b("Relu", "x")), b("Gemm", "x", tensor([3, 3])), axis=0))
    case("pad", [1, 1, 2, 3], lambda b: b("Pad", "x", ints([0, 0, 1, 2, 0, 1, 0, 1]), np.float32(0.5)))
    case("pad_attribute", [1, 1, 4, 4], lambda b: b("Conv", b("Pad", "x", mode="constant", pads=[0, 0, 1, 1, 0, 0, 1, 1]), tensor([2, 1, 3, 3])), opset=10)
    case("pad_crop", [4, 4], lambda b: b("Pad", "x", ints([-1, 1, 1, -2])))
    case("pad_axes", [3, 3], lambda b: b("Pad", "x", ints([1, 2]), "", ints([-1])), opset=18)
    case("pad_scaled", [1, 2, 3, 3], lambda b: b(
        "Conv", b("Pad", b("Mul", b("Add", "x", tensor([2, 1, 1])), tensor([2, 1, 1])), ints([0, 0, 1, 1, 0, 0, 1, 1]), np.float32(0.25)), tensor([2, 2, 3, 3])))
    case("slice", [4, 6], lambda b: b("Slice", "x", ints([1, -2]), ints([2**62, 0]), ints([0, 1]), ints([2, -1])))
    case("slice_attributes", [4, 6], lambda b: b("Slice", "x", starts=[1, -3], ends=[3, -1], axes=[0, 1]), opset=9)
    case("split", [1, 6], lambda b: (lambda p: b("Sub", p[0], b("Relu", p[1])))(b("Split", "x", outputs=2, axis=1)))
    case("split_lengths", [1, 6], lambda b: b("Split", b("Gemm", "x", tensor([6, 6])), ints([1, 3, 2]), outputs=3, axis=-1)[1])
    case("split_attribute", [1, 6], lambda b: b("Split", "x", outputs=2, axis=1, split=[4, 2])[1], opset=11)
    case("gather", [3, 4], lambda b: b("Gather", "x", ints([[2, 0], [-1, 1]]), axis=1))
    case("constant_node", [1, 3], lambda b: b("Add", "x", b("Constant", value_floats=[0.5, -0.25, 1.0])))

    def flatten_by_shape(b):
        y = b("Conv", "x", tensor([2, 1, 2, 2]))
        batch = b("Gather", b("Shape", y), np.array(0, np.int64), axis=0)
        size = b("Div", b("Mul", b("Gather", b("Shape", y), np.array(2, np.int64)), ints(8)), ints(2))
        shape = b("Concat", b("Unsqueeze", batch, ints([0])), b("Unsqueeze", b("Add", size, ints(-8 + 1)), ints([0])), ints([-1]), axis=0)
        return b("Reshape", y, b("Cast", shape, to=TensorProto.INT64))

    case("flatten_by_shape", [1, 1, 3, 3], flatten_by_shape)


def network_cases():
    """Data types of weights, and networks of several layers."""

    def typed(dtype):
        def build(b):
            w = b("Cast", RNG.integers(0 if dtype in (np.uint8, np.uint16, np.uint32, np.uint64) else -3, 4, [4, 3]).astype(dtype), to=TensorProto.FLOAT)
            return b("MatMul", "x", w)

        return build

    for dtype in (np.float16, np.float64, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64):
        case(f"weights_{np.dtype(dtype).name}", [1, 4], typed(dtype))

    def unpacked(b):
        b.initializers += [
            helper.make_tensor("w", TensorProto.FLOAT, [3, 2], [0.5, -1, 2, 0.25, -0.75, 1]),
            helper.make_tensor("h", TensorProto.FLOAT16, [2], [0.5, -1.5]),
        ]
        return b("Add", b("MatMul", "x", "w"), b("Cast", "h", to=TensorProto.FLOAT))

    case("weights_in_typed_fields", [1, 3], unpacked)

    def lenet(b):
        y = b("Conv", "x", tensor([3, 1, 3, 3]), tensor([3]))
        y = b("MaxPool", b("Relu", y), kernel_shape=[2, 2], strides=[2, 2])
        y = b("Conv", y, tensor([4, 3, 2, 2]), tensor([4]))
        y = b("Flatten", b("MaxPool", b("Relu", y), kernel_shape=[2, 2], strides=[2, 2]))
        y = b("Relu", b("Gemm", y, tensor([4, 5]), tensor([5])))
        return b("Gemm", y, tensor([5, 3]), tensor([3]))

    case("lenet_small", ["N", 1, 9, 9], lenet)

    def mobile(b):
        y = b("Clip", batch_norm(b, b("Conv", "x", tensor([4, 2, 1, 1])), 4), np.float32(0), np.float32(6))
        y = b("Conv", y, tensor([4, 1, 3, 3]), group=4, pads=[1, 1, 1, 1])
        y = b("Clip", batch_norm(b, y, 4), np.float32(0), np.float32(6))
        y = b("Add", "x", batch_norm(b, b("Conv", y, tensor([2, 4, 1, 1])), 2))
        return b("Gemm", b("Flatten", b("GlobalAveragePool", y)), tensor([2, 3]))

    case("mobile_block", [1, 2, 5, 5], mobile)

    def mixer(b):
        y = b("Relu", b("Add", b("MatMul", "x", tensor([4, 6])), tensor([6])))
        y = b("Add", "x", b("MatMul", y, tensor([6, 4])))
        t = b("Transpose", y, perm=[0, 2, 1])
        t = b("MatMul", b("Relu", b("MatMul", t, tensor([3, 5]))), tensor([5, 3]))
        return b("Add", y, b("Transpose", t, perm=[0, 2, 1]))

    case("mixer_block", [1, 3, 4], mixer)


def truth_cases():
    """Casts by example, tests of floats, and a convolution that was quantised elsewhere."""

    def as_float(b, x):
        return b("Cast", x, to=TensorProto.FLOAT)

    case("cast_like", [2, 3], lambda b: as_float(b, b("CastLike", b("Mul", "x", np.float32(5)), np.zeros(1, np.int32))), opset=15)
    case("cast_like_float", [2, 3], lambda b: b("CastLike", b("Relu", "x"), np.zeros(1, np.float32)), opset=15)
    case("global_lp_pool", [2, 3, 4, 2], lambda b: b("GlobalLpPool", "x"))
    case("global_lp_pool_l1", [1, 3, 5], lambda b: b("GlobalLpPool", "x", p=1))
    case("is_inf", [2, 3], lambda b: b("Add", "x", as_float(b, b("IsInf", "x"))), opset=13)
    case("is_nan", [2, 3], lambda b: b("Sub", "x", as_float(b, b("IsNaN", "x"))), opset=13)

    def quantised(b, **attributes):
        scale, zero = np.float32(1 / 64), np.uint8(120)
        x = b("QuantizeLinear", "x", scale, zero)
        w = RNG.integers(0, 255, [3, 2, 3, 3]).astype(np.uint8)
        y = b("QLinearConv", x, scale, zero, w, np.float32(1 / 128), np.uint8(131), np.float32(1 / 16), np.uint8(117), **attributes)
        return b("DequantizeLinear", y, np.float32(1 / 16), np.uint8(117))

    case("q_linear_conv", [1, 2, 5, 5], quantised)
    case("q_linear_conv_pad", [1, 2, 5, 5], lambda b: quantised(b, pads=[1, 1, 1, 1], strides=[2, 2]))

    def per_channel(b):
        scale, zero = np.float32(1 / 64), np.uint8(128)
        x = b("QuantizeLinear", "x", scale, zero)
        w = RNG.integers(-127, 127, [3, 2, 2, 2]).astype(np.int8)
        bias = RNG.integers(-900, 900, 3).astype(np.int32)
        scales = np.array([1 / 128, 1 / 64, 1 / 256], np.float32)
        y = b("QLinearConv", x, scale, zero, w, scales, np.zeros(3, np.int8), np.float32(1 / 16), np.uint8(128), bias)
        return b("DequantizeLinear", y, np.float32(1 / 16), np.uint8(128))

    case("q_linear_conv_channels", [1, 2, 4, 4], per_channel)


def learner_cases():
    """What skl2onnx exports: ai.onnx.ml."""

    def both(b, pair):
        label, scores = pair
        label = b("Unsqueeze", b("Cast", label, to=TensorProto.FLOAT), ints([1]))
        return b("Concat", label, scores, axis=1)

    def floats(*shape):
        return [float(v) for v in tensor(list(shape)).ravel()]

    case("array_feature_extractor", [3, 4], lambda b: b("ml.ArrayFeatureExtractor", "x", ints([2, 0, 2])))
    case("binarizer", [2, 5], lambda b: b("ml.Binarizer", "x", threshold=0.25))
    case("binarizer_default", [2, 5], lambda b: b("ml.Binarizer", "x"))
    case("scaler", [3, 4], lambda b: b("ml.Scaler", "x", offset=floats(4), scale=floats(4)))
    case("scaler_one", [3, 4], lambda b: b("ml.Scaler", "x", offset=[0.25], scale=[3.0]))
    for norm in ("MAX", "L1", "L2"):
        case(f"normalizer_{norm.lower()}", [3, 4], lambda b, norm=norm: b("ml.Normalizer", "x", norm=norm), low=0.1 if norm == "MAX" else -1.0)
    case("normalizer_of_zeros", [2, 4], lambda b: b("ml.Normalizer", b("Mul", "x", np.array([[1], [0]], np.float32)), norm="L2"))
    case("lp_normalization_of_zeros", [2, 4], lambda b: b("LpNormalization", b("Mul", "x", np.array([[1], [0]], np.float32))))
    case("linear_regressor", [2, 4], lambda b: b("ml.LinearRegressor", "x", coefficients=floats(3, 4), intercepts=floats(3), targets=3))
    case("linear_regressor_one", [1, 4], lambda b: b("ml.LinearRegressor", "x", coefficients=floats(4)))
    case("linear_classifier", [3, 4], lambda b: both(b, b(
        "ml.LinearClassifier", "x", outputs=2, coefficients=floats(3, 4), intercepts=floats(3), classlabels_ints=[7, 1, 4])))
    case("linear_classifier_softmax", [3, 4], lambda b: both(b, b(
        "ml.LinearClassifier", "x", outputs=2, coefficients=floats(3, 4), intercepts=floats(3), classlabels_ints=[0, 1, 2],
        post_transform="SOFTMAX")))
    case("linear_classifier_logistic", [3, 4], lambda b: both(b, b(
        "ml.LinearClassifier", "x", outputs=2, coefficients=floats(2, 4), intercepts=floats(2), classlabels_ints=[0, 1],
        post_transform="LOGISTIC", multi_class=1)))

    # Per tree a root and two inner nodes: nodes 0, 1, 2 and the leaves 3 to 6.
    def trees(kind, count, targets, mode="BRANCH_LEQ"):
        per = {"treeids": [], "nodeids": [], "featureids": [], "values": [], "modes": [], "truenodeids": [], "falsenodeids": []}
        leaves = {"treeids": [], "nodeids": [], "ids": [], "weights": []}
        for t in range(count):
            for node in range(7):
                inner = node < 3
                per["treeids"].append(t)
                per["nodeids"].append(node)
                per["featureids"].append(int(RNG.integers(0, 4)) if inner else 0)
                per["values"].append(float(np.float32(RNG.uniform(-0.6, 0.6))) if inner else 0.0)
                per["modes"].append(mode if inner else "LEAF")
                per["truenodeids"].append(2 * node + 1 if inner else 0)
                per["falsenodeids"].append(2 * node + 2 if inner else 0)
                for target in range(targets if not inner else 0):
                    leaves["treeids"].append(t)
                    leaves["nodeids"].append(node)
                    leaves["ids"].append(target)
                    leaves["weights"].append(float(np.float32(RNG.uniform(0, 1) / count)))
        return {f"nodes_{k}": v for k, v in per.items()} | {f"{kind}_{k}": v for k, v in leaves.items()}

    regress = dict(low=-1.0, high=1.0)
    case("tree_regressor", [3, 4], lambda b: b("ml.TreeEnsembleRegressor", "x", n_targets=1, **trees("target", 3, 1)), **regress)
    case("tree_regressor_mean", [2, 4], lambda b: b(
        "ml.TreeEnsembleRegressor", "x", n_targets=2, aggregate_function="AVERAGE", base_values=[0.5, -0.25], **trees("target", 3, 2, "BRANCH_LT")))
    case("tree_classifier", [3, 4], lambda b: both(b, b(
        "ml.TreeEnsembleClassifier", "x", outputs=2, classlabels_int64s=[0, 1, 2], **trees("class", 4, 3))))
    case("tree_classifier_labels", [3, 4], lambda b: both(b, b(
        "ml.TreeEnsembleClassifier", "x", outputs=2, classlabels_int64s=[5, 3, 9], post_transform="SOFTMAX", **trees("class", 3, 3, "BRANCH_GTE"))))
    case("tree_classifier_binary", [4, 4], lambda b: both(b, b(
        "ml.TreeEnsembleClassifier", "x", outputs=2, classlabels_int64s=[0, 1], **trees("class", 3, 1, "BRANCH_GT"))))


def small_cases():
    """Circuits small enough to have every cell changed, of operators whose ONNX node tests are not."""
    case("erf_small", [2], lambda b: b("Erf", "x"))
    case("mish_small", [2], lambda b: b("Mish", "x"), opset=18)
    # Away from integers, so that the coarsest limbs of the tests have the same floors.
    case("floor_small", [3], lambda b: b("Floor", b("Add", "x", np.array([1, -2, 3], np.float32))), low=0.3, high=0.7)
    case("lrn_small", [1, 3, 1, 1], lambda b: b("LRN", "x", size=3))
    case(
        "rotary_small",
        [1, 1, 1, 4],
        lambda b: b("RotaryEmbedding", "x", tensor([2, 2]), tensor([2, 2]), ints([[1]])),
        opset=23,
    )


def bad(name, model):
    (HERE / "bad" / f"{name}.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())


def bad_cases():
    def simple(build, shape=(1, 4), opset=13):
        b = Builder()
        return b.model(list(shape), build(b), opset)

    image = (1, 2, 4, 4)
    bad("unsupported_op", simple(lambda b: b("Det", "x")))
    bad("opset_too_new", simple(lambda b: b("Relu", "x"), opset=99))
    bad("unsupported_domain", simple(lambda b: b("Add", "x", "x", domain="com.example")))
    bad("unknown_attribute", simple(lambda b: b("Relu", "x", slope=0.5)))
    bad("wrong_attribute_type", simple(lambda b: b("Gemm", "x", tensor([4, 2]), alpha="much")))
    bad("variable_weights", simple(lambda b: b("Conv", "x", b("Reshape", "x", ints([1, 2, 4, 4]))), image))
    bad("weights_do_not_fit", simple(lambda b: b("Gemm", "x", tensor([5, 2]))))
    bad("conv_groups", simple(lambda b: b("Conv", "x", tensor([2, 2, 3, 3]), group=3), image))
    bad("window_too_large", simple(lambda b: b("MaxPool", "x", kernel_shape=[5, 5]), image))
    bad("no_kernel_shape", simple(lambda b: b("MaxPool", "x"), image))
    bad("max_pool_indices", simple(lambda b: (lambda t: b("Add", t[0], b("Cast", t[1], to=1)))(b("MaxPool", "x", outputs=2, kernel_shape=[2, 2])), image))
    bad("division_by_zero", simple(lambda b: b("Div", "x", np.float32(0))))
    bad("nan_weight", simple(lambda b: b("Gemm", "x", np.full([4, 1], np.nan, np.float32))))
    bad("training_batch_norm", simple(lambda b: batch_norm(b, "x", 4, training_mode=1), opset=15))
    bad("reshape_size", simple(lambda b: b("Reshape", "x", ints([3, -1]))))
    bad("missing_input", simple(lambda b: b("Gemm", "x")))
    bad("huge_tensor", simple(lambda b: b("Pad", "x", ints([0, 2**40, 0, 0]))))
    bad("empty_output", simple(lambda b: b("Slice", "x", ints([2]), ints([2]), ints([1]))))
    bad("constant_output", simple(lambda b: b("Add", tensor([2]), tensor([2]))))
    bad("undefined_name", simple(lambda b: b("Add", "x", "nowhere")))
    bad("huge_axis", simple(lambda b: b("Relu", "x"), (1, 2**50)))
    bad("dynamic_axis", simple(lambda b: b("Relu", "x"), (1, "length")))
    bad("zero_axis", simple(lambda b: b("Relu", "x"), (1, 0)))
    bad("cancellation", simple(lambda b: b("Gemm", "x", np.array([[1e9], [-1e9], [0], [0]], np.float32))))

    cycle = simple(lambda b: b("Add", "x", b("Relu", "t1_0")))
    bad("cycle", cycle)
    twice = simple(lambda b: b("Relu", "x"))
    twice.graph.node.append(twice.graph.node[0])
    bad("defined_twice", twice)
    shapeless = simple(lambda b: b("Relu", "x"))
    shapeless.graph.input[0].type.tensor_type.ClearField("shape")
    bad("no_shape", shapeless)
    text = simple(lambda b: b("Relu", "x"))
    text.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    bad("text_input", text)
    external = simple(lambda b: b("Gemm", "x", tensor([4, 2])))
    external.graph.initializer[0].data_location = TensorProto.EXTERNAL
    bad("external_data", external)
    short = simple(lambda b: b("Gemm", "x", tensor([4, 2])))
    short.graph.initializer[0].raw_data = short.graph.initializer[0].raw_data[:-4]
    bad("short_tensor", short)
    odd = simple(lambda b: b("Gemm", "x", tensor([4, 2])))
    odd.graph.initializer[0].raw_data += b"\0"
    bad("odd_tensor", odd)
    negative = simple(lambda b: b("Gemm", "x", tensor([4, 2])))
    negative.graph.initializer[0].dims[0] = -4
    bad("negative_dimension", negative)
    bad("truncated", helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString()[:4])


def main():
    for folder in ("ops", "bad"):
        (HERE / folder).mkdir(exist_ok=True)
        for old in (HERE / folder).glob("*"):
            old.unlink()
    for group in (linear_cases, conv_cases, pool_cases, elementwise_cases, movement_cases, network_cases):
        group()
    bad_cases()
    for group in (truth_cases, learner_cases, small_cases):
        group()
    (HERE / "ops" / "cases.json").write_text(json.dumps(CASES) + "\n")
    print(len(CASES), "cases, onnx", onnx.__version__, "onnxruntime", ort.__version__)


if __name__ == "__main__":
    main()
