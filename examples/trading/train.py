"""Trains the trading strategy on generated prices: no price series may be shipped, so these are made here, with a seed.

The market drifts up, drifts down or swings back and forth, and changes between these at random; daily returns are noisy. The strategy
sees the last 16 returns and says whether to be short, flat or long tomorrow. It knows nothing of the regimes.

    pip install -r examples/common/requirements.txt && python examples/trading/train.py
"""

import pathlib
import sys

import numpy
from sklearn.neural_network import MLPClassifier

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from training import Graph, write, write_samples  # noqa: E402

WINDOW = 16
NOISE = 1.0
# Drift, and what of a day's return is undone on the next; in percent a day.
REGIMES = [(0.35, 0.0), (-0.35, 0.0), (0.0, -0.5)]
# In units of a cent, at the beginning.
FIRST = 10_000


def returns(days, rng):
    """Daily returns in percent."""
    out, regime = [0.0], REGIMES[2]
    for _ in range(days):
        if rng.random() < 0.03:
            regime = REGIMES[rng.integers(len(REGIMES))]
        drift, swing = regime
        out.append(drift + swing * out[-1] + NOISE * rng.normal())
    return numpy.array(out[1:])


def windows(series):
    """The last WINDOW returns of each day, and the next day's."""
    rows = numpy.lib.stride_tricks.sliding_window_view(series[:-1], WINDOW)
    return rows, series[WINDOW:]


def action(following):
    """0 short, 1 flat, 2 long: what would have been right."""
    return numpy.digitize(following, [-0.5, 0.5])


def main():
    rng = numpy.random.default_rng(20260101)
    x, following = windows(returns(20_000, rng))
    model = MLPClassifier([24, 12], alpha=1e-2, early_stopping=True, random_state=1).fit(x, action(following))
    graph = Graph(WINDOW)
    run = graph.save(HERE, graph.dense("input", model.coefs_, model.intercepts_))
    # Another strategy of the same form: short and long exchanged.
    graph = Graph(WINDOW)
    last = model.coefs_[-1][:, ::-1], model.intercepts_[-1][::-1]
    contrary = graph.dense("input", [*model.coefs_[:-1], last[0]], [*model.intercepts_[:-1], last[1]])
    graph.save(HERE, contrary, "contrary.onnx")

    series = returns(2_000, rng)
    x, following = windows(series)
    position = numpy.array(run(x)).argmax(axis=1) - 1
    gain = position * following
    print(f"{len(x)} days that were held back: {gain.mean():.3f} % a day, Sharpe ratio {gain.mean() / gain.std() * 252 ** 0.5:.1f} a year,")
    print(f"right in {(gain[position != 0] > 0).mean():.0%} of the {(position != 0).mean():.0%} of the days on which it takes a side;")
    print(f"the market itself: {following.mean():.3f} % a day")
    write_samples(HERE, run, x[::40])
    # The series that the example plays: closing prices in cents.
    closes = FIRST * numpy.cumprod(1 + series[:WINDOW + 9] / 100)
    write(HERE, "prices.json", {"generated": True, "unit": "cents", "closes": [FIRST, *[round(price) for price in closes.tolist()]]})


if __name__ == "__main__":
    main()
