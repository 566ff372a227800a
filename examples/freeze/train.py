"""Trains the detector: an autoencoder on a bridge's hourly outflows, which are generated with a seed.

Outflows have a daily rhythm, a level of their own each day, noise and now and then a large transfer. Attacks, which the
network never sees, drain the bridge at once, in bursts, or little by little at night. The score of 24 hours is how badly
the network can restore them.

    pip install -r examples/common/requirements.txt && python examples/freeze/train.py
"""

import pathlib
import sys

import numpy
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPRegressor

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from training import Graph, write, write_samples  # noqa: E402

HOURS = 24
# The contract counts no more than this in an hour: 1 is a thousand tokens.
CAP = 8.0
# The hour in which the example's bridge is drained.
ATTACKED = 17


def day(rng, kind="normal", now=HOURS):
    """Outflows in thousands of tokens, midnight first: today's until this hour, from there on yesterday's."""
    hours = numpy.arange(HOURS)
    level = numpy.where(hours < now, rng.uniform(0.7, 1.3), rng.uniform(0.7, 1.3))
    flow = level * (1 + 0.7 * numpy.sin((hours - 8) / 24 * 2 * numpy.pi)) * rng.lognormal(0, 0.15, HOURS)
    if rng.random() < 0.3:
        flow[rng.integers(HOURS)] += rng.uniform(0.2, 0.8)
    start = rng.integers(4, HOURS - 6)
    if kind == "drain":
        flow[start] += rng.uniform(4, 40)
    elif kind == "bursts":
        flow[start:start + 6:2] += rng.uniform(2, 4)
    elif kind == "bleed":
        flow[:8] += rng.uniform(1.2, 2)
    return numpy.minimum(flow, CAP)


def detector(weights, biases, name):
    """Mean squared error of what the network restores."""
    graph = Graph(HOURS)
    error = graph("Sub", "input", graph.dense("input", weights, biases))
    score = graph("ReduceMean", graph("Mul", error, error), axes=[1], keepdims=1)
    return graph.save(HERE, score, name)


def main():
    rng = numpy.random.default_rng(20260101)
    normal = numpy.array([day(rng, now=rng.integers(1, HOURS + 1)) for _ in range(6000)])
    model = MLPRegressor(
        hidden_layer_sizes=[16, 6, 16], alpha=1e-4, max_iter=300, early_stopping=True, random_state=1).fit(normal, normal)
    run = detector(model.coefs_, model.intercepts_, "network.onnx")
    # What an attacker would like: a detector that finds much of what is normal strange.
    detector([*model.coefs_[:-1], model.coefs_[-1] * 0], model.intercepts_, "nervous.onnx")

    quiet = [score for [score] in run([day(rng, now=rng.integers(1, HOURS + 1)) for _ in range(2000)])]
    print(f"normal days: 99.9 % score below {numpy.quantile(quiet, 0.999):.3f}, all below {max(quiet):.3f}")
    attacks = {kind: [day(rng, kind) for _ in range(200)] for kind in ("drain", "bursts", "bleed")}
    for kind, days in attacks.items():
        scores = [score for [score] in run(days)]
        truth = [0] * len(quiet) + [1] * len(scores)
        auc = roc_auc_score(truth, quiet + scores)
        print(f"{kind}: AUC {auc:.3f}, lowest score {min(scores):.3f}, median {numpy.median(scores):.3f}")
    extreme = [numpy.full(HOURS, CAP), numpy.zeros(HOURS), *(numpy.where(numpy.arange(HOURS) % 2 == odd, CAP, 0) for odd in (0, 1))]
    strange = [*extreme, *attacks["bursts"][:5], *attacks["bleed"][:5]]
    write_samples(HERE, run, [attacks["drain"][0], day(rng), *strange, *(day(rng) for _ in range(20))])
    # What the example plays: a normal day, and one on which the bridge is drained. In tokens.
    days = {"normal": day(rng), "attack": day(rng)}
    days["attack"][ATTACKED] += 30
    tokens = {name: [round(1000 * value) for value in values.tolist()] for name, values in days.items()}
    write(HERE, "outflows.json", {"generated": True, "unit": "tokens", **tokens})


if __name__ == "__main__":
    main()
