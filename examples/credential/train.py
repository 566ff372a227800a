"""Trains two templates for fingerprint scans: scans are generated with a seed, since nobody's biometrics may be shipped.

A finger is a field of ridges of its own; a scan shows it shifted, turned, pressed more or less and with noise. A template
is a row of bits that is nearly the same for all scans of one finger: the signs of Fisher's discriminants. Version 1 has
16 bits and was trained on 200 fingers, version 2 has 32 and was trained on 500. Both are tested on other fingers.

    pip install -r examples/common/requirements.txt && python examples/credential/train.py
"""

import pathlib
import sys

import numpy
from onnx import TensorProto
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from training import Graph, write_samples  # noqa: E402

SIDE = 12
SCANS, TESTED = 12, 100
# Fingers that a template is trained on, and its bits.
VERSIONS = {"network_v1.onnx": (200, 16), "network_v2.onnx": (500, 32)}


class Finger:
    """Ridges: the cosine of a phase that grows along a direction and is bent by a few waves."""

    def __init__(self, rng):
        self.direction, self.pitch = rng.uniform(0, numpy.pi), rng.uniform(0.22, 0.3)
        self.waves = rng.normal(0, 1, (6, 2)) * 2.2
        self.heights, self.phases = rng.normal(0, 1.3, 6), rng.uniform(0, 2 * numpy.pi, 7)

    def scan(self, rng):
        """SIDE x SIDE values, ridges dark."""
        axis = numpy.linspace(-1, 1, SIDE)
        x, y = numpy.meshgrid(axis + rng.normal(0, 0.015), axis + rng.normal(0, 0.015))
        turn = rng.normal(0, 0.02)
        x, y = x * numpy.cos(turn) - y * numpy.sin(turn), x * numpy.sin(turn) + y * numpy.cos(turn)
        along = x * numpy.cos(self.direction) + y * numpy.sin(self.direction)
        phase = self.phases[6] + numpy.pi * self.pitch * SIDE * along
        for (of_x, of_y), height, start in zip(self.waves, self.heights, self.phases):
            phase = phase + height * numpy.sin(of_x * x + of_y * y + start)
        pressed = rng.normal(0.15, 0.1) + rng.uniform(0.8, 1.2) * numpy.cos(phase)
        return numpy.clip(pressed + rng.normal(0, 0.1, pressed.shape), -1, 1).ravel()


def template(scans, bits, name):
    """Trains a template on the scans of each finger: 1 where a discriminant is positive, else 0."""
    rows, owner = scans.reshape(-1, SIDE * SIDE), numpy.repeat(numpy.arange(len(scans)), SCANS)
    middle = rows.mean(axis=0)
    weights = LinearDiscriminantAnalysis(n_components=bits).fit(rows, owner).scalings_[:, :bits]
    weights = weights / numpy.abs(weights).max()
    graph = Graph(SIDE * SIDE)
    positive = graph("Greater", graph("Gemm", "input", weights, -middle @ weights), numpy.zeros(1))
    return graph.save(HERE, graph("Cast", positive, to=TensorProto.FLOAT), name)


def error_rate(templates):
    """The rate at which false matches and false rejections are equally many, and the number of differing bits where that is."""
    fingers, scans, length = templates.shape
    flat = templates.reshape(-1, length)
    distance = (flat[:, None] != flat[None]).sum(axis=2)
    owner = numpy.arange(fingers * scans) // scans
    same = owner[:, None] == owner[None]
    pairs = ~numpy.eye(len(flat), dtype=bool)

    def worse(limit):
        return max((distance[same & pairs] > limit).mean(), (distance[~same] <= limit).mean())

    return min((worse(limit), limit) for limit in range(length))


def main():
    rng = numpy.random.default_rng(20260101)
    most = max(trained for trained, _ in VERSIONS.values())
    fingers = (Finger(rng) for _ in range(most + TESTED))
    scans = numpy.array([[finger.scan(rng) for _ in range(SCANS)] for finger in fingers])
    tested = scans[most:]
    for name, (trained, bits) in VERSIONS.items():
        run = template(scans[:trained], bits, name)
        rate, limit = error_rate(numpy.array(run(tested.reshape(-1, SIDE * SIDE))).reshape(TESTED, SCANS, bits))
        print(f"{name}: equal error rate {rate:.2%} at {limit} of {bits} bits, on {TESTED} other fingers")
    # Two scans of each of some fingers.
    write_samples(HERE, run, tested[:12, :2].reshape(-1, SIDE * SIDE).round(3), generated=True, side=SIDE)


if __name__ == "__main__":
    main()
