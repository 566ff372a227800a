"""Writes onnxruntime's outputs beside the inputs of the example models: `outputs` in samples.json, `output_data` in input.json.

The committed files were made with onnxruntime 1.32.0:  pip install onnxruntime==1.32.0 && python examples/outputs.py
"""

import json
import pathlib

import numpy
import onnxruntime


def main():
    for model in sorted(pathlib.Path(__file__).parent.glob("*/network.onnx")):
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        tensor = session.get_inputs()[0]

        def run(sample):
            array = numpy.array(sample, dtype=numpy.float32).reshape(tensor.shape)
            return [float(value) for value in session.run(None, {tensor.name: array})[0].ravel()]

        for name, inputs, outputs in (("samples.json", "samples", "outputs"), ("input.json", "input_data", "output_data")):
            path = model.with_name(name)
            data = json.loads(path.read_text())
            data[outputs] = [run(sample) for sample in data[inputs]]
            path.write_text(json.dumps(data))


if __name__ == "__main__":
    main()
