//! Models of operators, and how often each unit of an operator's cost occurs in them.

/// Names of units, and how many of each there are.
pub(crate) type Units = &'static [(&'static str, usize)];

/// A model of one operator.
pub(crate) struct Instance {
    pub(crate) op: &'static str,
    /// Of a node test, or of a file in `data/ops`.
    pub(crate) name: &'static str,
    /// Whether it is such a file.
    pub(crate) model: bool,
    /// Inputs of the node test that are constants here, as they are in models; besides those that the operator must know.
    pub(crate) constants: &'static [&'static str],
    /// Slots of other operators in the model; less than none where the first step of a recurrent one starts from zeros, which costs
    /// one slot less per hidden value.
    pub(crate) besides: isize,
    pub(crate) units: Units,
}

/// Operators that cost nothing as long as all operands but the first are constants. What they cost otherwise stands with their
/// forms.
pub(crate) const VARIABLE_COSTS: &[&str] = &[
    "BatchNormalization",
    "DequantizeLinear",
    "Gather",
    "GatherElements",
    "Gemm",
    "MatMul",
    "MatMulInteger",
    "ScatterElements",
    "ScatterND",
];

const fn node(op: &'static str, name: &'static str, units: Units) -> Instance {
    with(op, name, &[], units)
}

const fn with(op: &'static str, name: &'static str, constants: &'static [&'static str], units: Units) -> Instance {
    Instance {
        op,
        name,
        model: false,
        constants,
        besides: 0,
        units,
    }
}

const fn file(op: &'static str, name: &'static str, besides: isize, units: Units) -> Instance {
    Instance {
        op,
        name,
        model: true,
        constants: &[],
        besides,
        units,
    }
}

/// With so many hidden values in a first step from zeros.
const fn after_zeros(hidden: isize, instance: Instance) -> Instance {
    Instance {
        besides: -hidden,
        ..instance
    }
}

/// An element is one of the first input, or of what it is broadcast to.
#[rustfmt::skip]
pub(crate) const INSTANCES: &[Instance] = &[
    node("Abs", "abs", &[("element", 60)]),
    node("And", "and3d", &[("element", 60)]),
    node("And", "and_bcast4v4d", &[("element", 360)]),
    node("ArgMax", "argmax_default_axis_example", &[("element", 4), ("output", 2)]),
    node("ArgMin", "argmin_default_axis_example", &[("element", 4), ("output", 2)]),
    node("Atan", "atan_example", &[("element", 3)]),
    node("Attention", "attention_3d", &[("score", 144), ("row of scores", 24), ("query value", 192), ("output", 192)]),
    node("Attention", "attention_3d_diff_heads_sizes", &[("score", 144), ("row of scores", 24), ("query value", 192), ("output", 240)]),
    node("BitShift", "bitshift_right_int16", &[("element", 3)]),
    node("BitShift", "bitshift_left_uint8", &[("element", 3)]),
    node("Ceil", "ceil", &[("element", 60)]),
    node("Celu", "celu", &[("element", 27)]),
    with("Clip", "clip_default_max", &["max"], &[("element and bound", 60)]),
    with("Clip", "clip_example", &["min", "max"], &[("element and bound", 6)]),
    node("Cos", "cos", &[("element", 60)]),
    node("CumProd", "cumprod_1d", &[("element after the first of its row", 4)]),
    node("CumProd", "cumprod_2d_axis_0", &[("element after the first of its row", 3)]),
    node("Div", "div_example", &[("element", 2), ("divisor", 2)]),
    node("Div", "div_bcast", &[("element", 60), ("divisor", 5)]),
    node("DynamicQuantizeLinear", "dynamicquantizelinear", &[("element", 6), ("tensor", 1)]),
    node("DynamicQuantizeLinear", "dynamicquantizelinear_min_adjusted", &[("element", 12), ("tensor", 1)]),
    node("Einsum", "einsum_batch_matmul", &[("output", 40)]),
    node("Einsum", "einsum_inner_prod", &[("output", 1)]),
    node("Elu", "elu", &[("element", 60)]),
    node("Equal", "equal", &[("element", 60)]),
    node("Erf", "erf", &[("element", 3072)]),
    node("Exp", "exp_example", &[("element", 3)]),
    node("Floor", "floor_example", &[("element", 3)]),
    node("Gelu", "gelu_default_2", &[("element", 60)]),
    node("Gelu", "gelu_tanh_2", &[("element", 60)]),
    file("GlobalLpPool", "global_lp_pool", 0, &[("element", 48), ("output", 6)]),
    node("GlobalMaxPool", "globalmaxpool", &[("element", 75), ("output", 3)]),
    node("Greater", "greater", &[("element", 60)]),
    node("Greater", "greater_bcast", &[("element", 60)]),
    node("GreaterOrEqual", "greater_equal", &[("element", 60)]),
    node("GreaterOrEqual", "greater_equal_bcast", &[("element", 60)]),
    node("GroupNormalization", "group_normalization_example", &[("element", 48), ("group", 6)]),
    node("HardSigmoid", "hardsigmoid_example", &[("element", 3)]),
    node("HardSwish", "hardswish", &[("element", 60)]),
    node("Hardmax", "hardmax_axis_0", &[("element", 60), ("row", 20)]),
    node("Hardmax", "hardmax_axis_2", &[("element", 60), ("row", 12)]),
    node("InstanceNormalization", "instancenorm_epsilon", &[("element", 120), ("channel", 6)]),
    node("InstanceNormalization", "instancenorm_example", &[("element", 6), ("channel", 2)]),
    node("LRN", "lrn", &[("element", 625)]),
    node("LayerNormalization", "layer_normalization_2d_axis0", &[("element", 12), ("row", 1)]),
    node("LayerNormalization", "layer_normalization_2d_axis1", &[("element", 12), ("row", 3)]),
    node("LeakyRelu", "leakyrelu_example", &[("element", 3)]),
    node("Less", "less", &[("element", 60)]),
    node("Less", "less_bcast", &[("element", 60)]),
    node("LessOrEqual", "less_equal", &[("element", 60)]),
    node("LessOrEqual", "less_equal_bcast", &[("element", 60)]),
    node("Log", "log_example", &[("element", 2)]),
    node("LogSoftmax", "logsoftmax_axis_0", &[("element", 60), ("row", 20)]),
    node("LogSoftmax", "logsoftmax_axis_2", &[("element", 60), ("row", 12)]),
    node("LpNormalization", "l2normalization_axis_0", &[("element", 12), ("row", 6)]),
    node("LpNormalization", "l2normalization_axis_1", &[("element", 4), ("row", 2)]),
    node("LpPool", "lppool_2d_dilations", &[("element", 16), ("output", 4)]),
    node("LpPool", "lppool_2d_strides", &[("element", 3072), ("output", 300)]),
    node("Max", "max_float32", &[("element", 3), ("element and operand beyond two", 0)]),
    node("Max", "max_example", &[("element", 3), ("element and operand beyond two", 3)]),
    node("MaxPool", "maxpool_1d_default", &[("element of each window", 186), ("output", 93)]),
    node("MaxPool", "maxpool_2d_ceil", &[("element of each window", 36), ("output", 4)]),
    node("MeanVarianceNormalization", "mvn", &[("element", 27), ("row", 3)]),
    node("Min", "min_float32", &[("element", 3), ("element and operand beyond two", 0)]),
    node("Min", "min_example", &[("element", 3), ("element and operand beyond two", 3)]),
    node("Mish", "mish", &[("element", 10000)]),
    node("Mod", "mod_broadcast", &[("element", 30), ("divisor", 1)]),
    node("Mul", "mul", &[("element", 60)]),
    node("Mul", "mul_bcast", &[("element", 60)]),
    node("NegativeLogLikelihoodLoss", "nllloss_NC", &[("class and element", 15), ("element", 3)]),
    node("NegativeLogLikelihoodLoss", "nllloss_NCd1d2", &[("class and element", 540), ("element", 108)]),
    with("OneHot", "onehot_without_axis", &["values"], &[("output", 36), ("index", 3)]),
    with("OneHot", "onehot_with_bfloat16_values", &["values"], &[("output", 8), ("index", 2)]),
    node("Or", "or3d", &[("element", 60)]),
    node("Or", "or_bcast4v4d", &[("element", 360)]),
    with("PRelu", "prelu_broadcast", &["slope"], &[("element", 60)]),
    with("PRelu", "prelu_example", &["slope"], &[("element", 60)]),
    node("Pow", "pow_bcast_scalar", &[("element", 3)]),
    file("QLinearConv", "q_linear_conv", 400, &[("output", 27)]),
    file("QLinearConv", "q_linear_conv_channels", 256, &[("output", 27)]),
    with("QLinearMatMul", "qlinearmatmul_2D_uint8_float32", &["a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "y_scale", "y_zero_point"], &[("output", 6)]),
    with("QLinearMatMul", "qlinearmatmul_3D_uint8_float32", &["a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "y_scale", "y_zero_point"], &[("output", 12)]),
    with("QuantizeLinear", "quantizelinear", &["y_scale", "y_zero_point"], &[("element", 6)]),
    node("RMSNormalization", "rms_normalization_2d_axis0", &[("element", 12), ("row", 1)]),
    node("RMSNormalization", "rms_normalization_2d_axis1", &[("element", 12), ("row", 3)]),
    node("Reciprocal", "reciprocal_example", &[("element", 2)]),
    node("ReduceL1", "reduce_l1_keep_dims_example", &[("element", 12)]),
    node("ReduceL2", "reduce_l2_default_axes_keepdims_example", &[("element", 12), ("output", 1)]),
    node("ReduceLogSum", "reduce_log_sum_asc_axes", &[("output", 5)]),
    node("ReduceLogSum", "reduce_log_sum_default", &[("output", 1)]),
    node("ReduceLogSumExp", "reduce_log_sum_exp_default_axes_keepdims_example", &[("element", 12), ("output", 1)]),
    node("ReduceMax", "reduce_max_default_axes_keepdim_example", &[("element", 12), ("output", 1)]),
    node("ReduceMin", "reduce_min_default_axes_keepdims_example", &[("element", 12), ("output", 1)]),
    node("ReduceProd", "reduce_prod_default_axes_keepdims_example", &[("element after the first of its output", 11)]),
    node("ReduceProd", "reduce_prod_keepdims_example", &[("element after the first of its output", 6)]),
    node("ReduceSumSquare", "reduce_sum_square_keepdims_example", &[("element", 12)]),
    node("Relu", "relu", &[("element", 60)]),
    node("Resize", "resize_upsample_scales_linear", &[("value between two axes", 8)]),
    node("Resize", "resize_downsample_scales_cubic", &[("value between two axes", 12)]),
    node("Resize", "resize_upsample_scales_nearest", &[("value between two axes", 0)]),
    node("RotaryEmbedding", "rotary_embedding", &[("element", 192)]),
    node("RotaryEmbedding", "rotary_embedding_no_position_ids", &[("element", 192)]),
    node("Round", "round", &[("element", 15)]),
    node("Selu", "selu", &[("element", 60)]),
    node("Shrink", "shrink_hard", &[("element", 5)]),
    node("Shrink", "shrink_soft", &[("element", 5)]),
    node("Sigmoid", "sigmoid", &[("element", 60)]),
    node("Sign", "sign", &[("element", 11)]),
    node("Sin", "sin", &[("element", 60)]),
    node("Softmax", "softmax_axis_0", &[("element", 60), ("row", 20)]),
    node("Softmax", "softmax_axis_2", &[("element", 60), ("row", 12)]),
    node("SoftmaxCrossEntropyLoss", "sce_NCd1d2d3d4d5_none_no_weight", &[("class and element", 32400), ("element", 6480)]),
    node("Softplus", "softplus", &[("element", 60)]),
    node("Softsign", "softsign", &[("element", 60)]),
    node("Sqrt", "sqrt", &[("element", 60)]),
    node("SwiGLU", "swiglu", &[("element", 8)]),
    node("Swish", "swish", &[("element", 3)]),
    node("Tan", "tan", &[("element", 60)]),
    node("Tanh", "tanh_example", &[("element", 3)]),
    node("ThresholdedRelu", "thresholdedrelu", &[("element", 60)]),
    node("TopK", "top_k", &[("pair of elements of a row", 18), ("element", 12), ("element and place", 36), ("place", 9)]),
    node("TopK", "top_k_same_values", &[("pair of elements of a row", 6), ("element", 4), ("element and place", 12), ("place", 3)]),
    node("Where", "where_example", &[("element", 4)]),
    node("Xor", "xor3d", &[("element", 60)]),
    node("Xor", "xor_bcast4v4d", &[("element", 360)]),
    file("ai.onnx.ml::ArrayFeatureExtractor", "array_feature_extractor", 0, &[]),
    file("ai.onnx.ml::Binarizer", "binarizer", 0, &[("element", 10)]),
    file("ai.onnx.ml::LinearClassifier", "linear_classifier_softmax", 75, &[("class", 9), ("row", 3)]),
    file("ai.onnx.ml::LinearRegressor", "linear_regressor", 0, &[]),
    file("ai.onnx.ml::Normalizer", "normalizer_l2", 0, &[("element", 12), ("row", 3)]),
    file("ai.onnx.ml::Normalizer", "normalizer_max", 0, &[("element", 12), ("row", 3)]),
    file("ai.onnx.ml::Scaler", "scaler", 0, &[]),
    file("ai.onnx.ml::TreeEnsembleClassifier", "tree_classifier", 0, &[("node", 36), ("leaf", 48), ("class", 9), ("row", 3)]),
    file("ai.onnx.ml::TreeEnsembleRegressor", "tree_regressor", 0, &[("node", 27), ("leaf", 36)]),
    file("ai.onnx.ml::TreeEnsembleRegressor", "tree_regressor_mean", 0, &[("node", 18), ("leaf", 24)]),
    after_zeros(15, with("GRU", "gru_defaults", &["W", "R"], &[("hidden value and step", 15)])),
    after_zeros(9, with("LSTM", "lstm_defaults", &["W", "R"], &[("hidden value and step", 9)])),
    after_zeros(3, with("LSTM", "lstm_reverse", &["W", "R"], &[("hidden value and step", 9)])),
    after_zeros(0, with("RNN", "simple_rnn_defaults", &["W", "R"], &[("hidden value and step", 12)])),
    after_zeros(0, with("RNN", "simple_rnn_reverse", &["W", "R"], &[("hidden value and step", 12)])),
    file("Cast", "cast", 0, &[]),
    file("CastLike", "cast_like_float", 6, &[]),
    file("IsInf", "is_inf", 0, &[]),
    file("IsNaN", "is_nan", 0, &[]),
];
