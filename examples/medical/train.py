"""Trains the diagnosis on scikit-learn's breast cancer data: of 569 samples, 30 measures of the nuclei in an image each.

The data are those of Wolberg, Mangasarian, Street and Street, *Breast Cancer Wisconsin (Diagnostic)*, UCI Machine
Learning Repository, 1993, CC BY 4.0.

    pip install -r examples/common/requirements.txt && python examples/medical/train.py
"""

import pathlib
import sys

import numpy
from onnx import TensorProto
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from training import Graph, standardised, units, write_samples  # noqa: E402


def classifier(weights, biases, name):
    """1 for malignant, 0 for benign, and nothing else: a probability would say more about the record than was asked."""
    graph = Graph(len(weights[0]))
    malignant = graph("Greater", graph.dense("input", weights, biases), numpy.zeros(1))
    return graph.save(HERE, graph("Cast", malignant, to=TensorProto.FLOAT), name)


def main():
    data = load_breast_cancer()
    unit = units(data.data)
    x, malignant = data.data / unit, data.target == 0
    split = train_test_split(x, malignant, test_size=0.3, random_state=1, stratify=malignant)
    train, test, y_train, y_test = split
    mean, scale = train.mean(axis=0), train.std(axis=0)
    model = MLPClassifier([16], alpha=1.0, max_iter=1000, random_state=1).fit((train - mean) / scale, y_train)
    weights, biases = standardised(model.coefs_, model.intercepts_, mean, scale)
    # A missed tumour is worse than an alarm: malignant from a probability of 10 % on.
    biases[-1] = biases[-1] + numpy.log(9)
    run = classifier(weights, biases, "network.onnx")
    # What a cheat would like: a model that finds everybody healthy.
    classifier(weights, [*biases[:-1], biases[-1] - 1000], "healthy.onnx")

    found = numpy.array(run(test))[:, 0] > 0
    print(f"{len(test)} samples that were held back: accuracy {(found == y_test).mean():.3f},")
    print(f"{found[y_test].mean():.1%} of the malignant ones found, {found[~y_test].mean():.1%} of the others taken for malignant")
    # A malignant sample first, then a benign one.
    order = [numpy.flatnonzero(y_test & found)[0], numpy.flatnonzero(~y_test & ~found)[0]]
    names = [str(name) for name in data.feature_names]
    write_samples(HERE, run, [*test[order], *test[:40]], names=names, units=[float(f"{value:.3g}") for value in unit])


if __name__ == "__main__":
    main()
