#!/usr/bin/env python3
"""Runs the ONNX project's backend node tests through EZKL: those, and in the form, that prover/tests/data/conformance.gz holds.

Each test is imported (`gen_settings`), compiled and run (`gen_witness`) by EZKL's Python package in a process of its own, with
scales of 2^13, which EZKL's calibration takes for most models, and the largest lookup range that its rows hold. Where that fails,
a second try gives all inputs but the first as constants, as Tapeout's test does where an operator must know them; a third asks
EZKL's calibration for the scales; a fourth takes EZKL's default scale and range. A test counts for EZKL by the best of these. What is kept is the largest error, so that
the tolerance is chosen where results are read.

    make bench-ezkl-conformance           all tests, into prover/tests/data/ezkl_conformance.json; goes on where it stopped
"""

import argparse
import gzip
import json
import os
import pathlib
import select
import signal
import struct
import sys
import tempfile
import time

import ezkl
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "prover/tests/data"
SCALE = 13
COARSE_SCALE = 7
TRIES = ("as it is", "constants", "calibrated", "coarse")
DTYPES = {
    TensorProto.FLOAT: "<f4", TensorProto.DOUBLE: "<f8", TensorProto.FLOAT16: "<f2", TensorProto.BOOL: "?",
    TensorProto.INT8: "<i1", TensorProto.INT16: "<i2", TensorProto.INT32: "<i4", TensorProto.INT64: "<i8",
    TensorProto.UINT8: "<u1", TensorProto.UINT16: "<u2", TensorProto.UINT32: "<u4", TensorProto.UINT64: "<u8",
}


class Suite:
    """The packed tests."""

    def __init__(self):
        data = gzip.decompress((DATA / "conformance.gz").read_bytes())
        (length,) = struct.unpack("<Q", data[:8])
        index = json.loads(data[8 : 8 + length])
        self.cases = [case for case in index if "types" not in case]
        self.blob = data[8 + length :]

    def tensor(self, place):
        shape, at = place["shape"], place["at"]
        size = int(np.prod(shape, dtype=np.int64))
        if place["type"] == TensorProto.BFLOAT16:
            halves = np.frombuffer(self.blob, "<u2", size, at).astype("<u4") << 16
            return halves.view("<f4").reshape(shape)
        return np.frombuffer(self.blob, DTYPES[place["type"]], size, at).reshape(shape)

    def model(self, case):
        at, length = case["model"]
        return onnx.load_from_string(self.blob[at : at + length])


def with_constants(model, inputs):
    """The model with all inputs but the first as initializers, and what is left of the inputs."""
    graph = model.graph
    for port, value in list(zip(graph.input, inputs))[1:]:
        value = value.astype(numpy_helper.helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type))
        graph.initializer.append(numpy_helper.from_array(value, port.name))
        graph.input.remove(port)
    return inputs[:1]


def attempt(suite, case, how):
    """The largest error over the outputs, relative to the largest expected magnitude or 1; of integers the error itself."""
    model = suite.model(case)
    inputs = [suite.tensor(place) for place in case["inputs"]]
    expected = [suite.tensor(place) for place in case["outputs"]]
    if how == "constants":
        if len(inputs) < 2:
            raise ValueError("it has no further inputs")
        inputs = with_constants(model, inputs)
    pathlib.Path("network.onnx").write_bytes(model.SerializeToString())
    data = {"input_data": [[float(v) for v in x.ravel()] for x in inputs]}
    pathlib.Path("input.json").write_text(json.dumps(data), encoding="utf-8")
    arguments = ezkl.PyRunArgs()
    arguments.input_scale = arguments.param_scale = SCALE
    if how == "coarse":
        arguments.input_scale = arguments.param_scale = COARSE_SCALE
    else:
        arguments.logrows = 22
        arguments.lookup_range = (-(1 << 20), 1 << 20)
    steps = [("gen_settings", lambda: ezkl.gen_settings("network.onnx", "settings.json", arguments))]
    if how == "calibrated":
        steps.append(("calibrate_settings", lambda: ezkl.calibrate_settings("input.json", "network.onnx", "settings.json", "accuracy")))
    steps += [
        ("compile_circuit", lambda: ezkl.compile_circuit("network.onnx", "circuit", "settings.json")),
        ("gen_witness", lambda: ezkl.gen_witness("input.json", "circuit", "witness.json")),
    ]
    for name, step in steps:
        try:
            step()
        except BaseException as error:  # a panic of the library is none of Exception
            raise ValueError(f"{name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    found = json.loads(pathlib.Path("witness.json").read_text(encoding="utf-8"))["pretty_elements"]["rescaled_outputs"]
    if [len(f) for f in found] != [e.size for e in expected]:
        raise ValueError("outputs of another size")
    worst = 0.0
    for got, want in zip(found, expected):
        if not want.size:
            continue
        got, exact = np.array([float(v) for v in got]), want.dtype.kind not in "f"
        want = want.astype(np.float64).ravel()
        difference = np.abs(np.round(got) - want if exact else got - want).max()
        # Integers must be equal, whatever the tolerance for floats is.
        worst = max(worst, float(np.ceil(difference)) if exact else difference / max(1.0, np.abs(want).max()))
    return worst


def isolated(suite, case, how, seconds):
    """One attempt in a process of its own, ended after a time; its error, or why there is none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            try:
                result = {"error": attempt(suite, case, how)}
            except BaseException as error:
                result = {"reason": str(error)[:200]}
            os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], seconds)
    answer = os.read(reading, 1 << 16) if ready else None
    os.close(reading)
    if answer is None:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if answer is None:
        return {"reason": f"no result within {seconds} s"}
    return json.loads(answer) if answer else {"reason": "the process ended without a result"}


def outcome(suite, case, seconds, enough):
    """The best of the tries: the first that is good enough, else the one of the least error."""
    results = []
    for how in TRIES:
        # What is not understood no other scale mends.
        about_scales = ("gen_witness", "synthesis", "significant")
        if how in TRIES[2:] and not any("error" in r or any(w in r["reason"] for w in about_scales) for r in results):
            continue
        result = {**isolated(suite, case, how, seconds), "try": how}
        results.append(result)
        if result.get("error", float("inf")) <= enough:
            return result
    measured = [r for r in results if "error" in r]
    return min(measured, key=lambda r: r["error"]) if measured else results[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=DATA / "ezkl_conformance.json")
    parser.add_argument("--seconds", type=float, default=20, help="for one try; default: %(default)s")
    parser.add_argument("--only", help="tests whose name contains this; nothing is written")
    options = parser.parse_args()
    suite = Suite()
    report = {"ezkl": ezkl.__version__, "scale": SCALE, "seconds": options.seconds, "tests": {}}
    if options.out.exists() and not options.only:
        report = json.loads(options.out.read_text(encoding="utf-8"))
    saved = time.monotonic()

    def save():
        partial = options.out.with_suffix(".partial")
        partial.write_text(json.dumps(report, indent=0, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(options.out)

    for case in suite.cases:
        name = case["name"]
        if name in report["tests"] or (options.only and options.only not in name):
            continue
        floats = any(place["type"] in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16) for place in case["outputs"])
        result = outcome(suite, case, options.seconds, 1 / 1024 if floats else 0.0)
        if options.only:
            print(name, result)
            continue
        report["tests"][name] = result
        if time.monotonic() - saved > 10:
            save()
            saved = time.monotonic()
            print(f"{len(report['tests'])} of {len(suite.cases)}", file=sys.stderr, flush=True)
    if not options.only:
        save()


if __name__ == "__main__":
    main()
