"""Trains the service's model: scikit-learn's wine data, 178 wines of three cultivars, 13 measures of chemistry each.

The data are those of Aeberhard and Forina, *Wine*, UCI Machine Learning Repository, 1992, CC BY 4.0.

    pip install -r examples/common/requirements.txt && python examples/api/train.py
"""

import pathlib
import sys

import numpy
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from training import Graph, standardised, units, write_samples  # noqa: E402


def classifier(weights, biases, name):
    """The probabilities of the three cultivars."""
    graph = Graph(len(weights[0]))
    return graph.save(HERE, graph("Softmax", graph.dense("input", weights, biases), axis=1), name)


def main():
    data = load_wine()
    unit = units(data.data)
    split = train_test_split(data.data / unit, data.target, test_size=0.3, random_state=1, stratify=data.target)
    train, test, y_train, y_test = split
    mean, scale = train.mean(axis=0), train.std(axis=0)
    model = MLPClassifier([24], alpha=0.1, max_iter=1000, random_state=1).fit((train - mean) / scale, y_train)
    run = classifier(*standardised(model.coefs_, model.intercepts_, mean, scale), "network.onnx")
    # What a dishonest service would like to answer with: less work, three of the measures.
    kept = numpy.isin(numpy.arange(len(mean)), [0, 1, 2])
    cheap = LogisticRegression(max_iter=1000).fit(((train - mean) / scale) * kept, y_train)
    run_cheap = classifier(*standardised([cheap.coef_.T * kept[:, None]], [cheap.intercept_], mean, scale), "cheap.onnx")
    for name, runs in (("network", run), ("cheap", run_cheap)):
        right = numpy.array(runs(test)).argmax(axis=1) == y_test
        print(f"{name}: accuracy {right.mean():.3f} on {len(test)} wines that were held back")
    write_samples(HERE, run, test, names=list(data.feature_names), units=[float(f"{value:.3g}") for value in unit])


if __name__ == "__main__":
    main()
