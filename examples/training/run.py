"""A model is trained on data that nobody sees: every step is proven, from the commitment to the weights before it to that to the weights behind it."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "common"))
from example import check, main, note, say, short  # noqa: E402

WEIGHT = 4096


def setup(example, model, size, keys, network=None):
    """Keys for a step: the weights are committed to before and behind it, the batch is private, the loss public."""
    committed = f"committed:{size}"
    return example.run(
        "setup", network or f"{model}.onnx", "--calibrate", f"{model}.json", "--input", committed, "--output", committed, "--out", keys)


def prove(example, model, values, opening, number, keep, **options):
    example.write_input("batch.json", values)
    return example.run(
        "prove", f"{model}.onnx", "--input", "batch.json", "--keys", f"keys-{model}", "--input-opening", opening, "--keep-output", keep, "--out",
        f"step-{number}", **options)


def audit(example, model, made, start, numbers):
    """What an auditor does: the same model in every proof, and each step from the weights that the one before gave."""
    losses = []
    for number in numbers:
        report = example.run(
            "verify", f"step-{number}", "--vk", f"keys-{model}/model.vk", "--model-hash", made["model_hash"], "--input-commitment", start, quiet=True)
        check(len(report["outputs"]) == 1 and report["inputs"] is None, "the proof says more than the loss")
        start = report["output_commitment"]
        losses.append(report["outputs"][0] / WEIGHT)
        note(f"step {number}: loss {losses[-1]:.4f}, weights {short(start)}")
    return start, losses


def train(example, model, steps):
    """Trains for some steps and has them audited; gives the commitments to the first weights and to the last."""
    data = example.read_json(f"{model}.json")
    size = data["weights"]
    made = setup(example, model, size, f"keys-{model}")
    example.write_input("batch.json", data["samples"][0])
    start = example.run("commit", "--input", "batch.json", "--keys", f"keys-{model}", "--out", "weights-0")["commitment"]
    weights = data["samples"][0][:size]
    for number in range(1, steps + 1):
        values = [*weights, *data["samples"][number - 1][size:]]
        report = prove(example, model, values, f"weights-{number - 1}", number, f"weights-{number}", quiet=number > 1)
        weights = [round(value) for value in report["outputs"][:size]]
        off = max(abs(got - wanted) for got, wanted in zip(report["outputs"], data["outputs"][number - 1]))
        check(off <= number, f"the weights are {off} units off onnxruntime's")
    say("The auditor, who has the key, the first commitment and the proofs")
    last, losses = audit(example, model, made, start, range(1, steps + 1))
    return made, size, data, weights, start, last, losses


def story(example):
    say("1. Least squares on the diabetes data: 10 weights and a bias, batches of 16 patients, six steps")
    *_, losses = train(example, "linear", 6)
    check(losses[-1] < losses[0], "the loss does not fall")

    say("2. A network of two layers on the iris data: 67 weights, batches of 12 flowers, two steps")
    made, size, data, weights, start, last, _ = train(example, "two_layers", 2)
    keys = ("--vk", "keys-two_layers/model.vk", "--model-hash", made["model_hash"])

    say("3. A weight is shown when somebody asks for it, and the others stay secret")
    example.run("reveal", "--opening", "weights-2", "--keys", "keys-two_layers", "--elements", "0,66", "--out", "shown")
    report = example.run("verify-reveal", "shown", "--vk", "keys-two_layers/model.vk", "--output-commitment", last)
    check([round(e["value"]) for e in report["elements"]] == [weights[i] for i in (0, 66)], "the weights are others")

    say("Cheating: a weight is changed between two steps")
    changed = list(data["samples"][1])
    changed[5] += 400
    example.write_input("changed.json", changed)
    step = ("prove", "two_layers.onnx", "--input", "changed.json", "--keys", "keys-two_layers")
    example.refused(2, *step, "--input-opening", "weights-1", "--out", "cheat", because="the opening is of another input")

    say("Cheating: ... and committed to anew: the proof is right, and about other weights")
    example.run(*step, "--out", "cheat")
    first = example.run("verify", "step-1", *keys, quiet=True)["output_commitment"]
    example.refused(1, "verify", "cheat", *keys, "--input-commitment", first, because="the input commitment is")

    say("Cheating: the first step is left out")
    example.refused(1, "verify", "step-2", *keys, "--input-commitment", start, because="the input commitment is")

    say("Cheating: a smaller loss is claimed")
    claimed = example.run("verify", "step-2", *keys, quiet=True)["outputs"][0] - 100
    example.write_json("claimed.json", {"outputs": [claimed]})
    example.refused(1, "verify", "step-2", *keys, "--outputs", "claimed.json", because="does not hold")

    say("Cheating: a step of another rule, the linear model's, is passed off as one of this")
    example.refused(1, "verify", "step-2", "--vk", "keys-linear/model.vk", because="key")
    note(f"the last weights of {size}: {short(last)}")


if __name__ == "__main__":
    main(story, __file__)
