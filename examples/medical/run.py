"""A diagnosis proven from a record that stays secret.

The laboratory commits to the record, the patient proves what the model says of it.
"""

import pathlib
import secrets
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "common"))
from example import check, main, note, say  # noqa: E402

CLASSES = ["benign", "malignant"]


def story(example):
    data = example.read_json("samples.json")
    example.write_input("record.json", data["samples"][0])
    example.write_input("healthy.json", data["samples"][1])

    say("The patient's secret: 30 measures of the nuclei in a microscope's image")
    for at in (0, 1, 20):
        note(f"{data['names'][at]}: {data['samples'][0][at] * data['units'][at]:.4g}")
    note("…")

    say("1. Whoever publishes the model makes keys for it, with committed input")
    setup = ("--calibrate", "samples.json", "--input", "committed", "--out")
    model = example.run("setup", "network.onnx", *setup, "keys")["model_hash"]

    say("2. The laboratory commits to the record and signs the commitment; the patient gets the opening")
    made = example.run("commit", "--input", "record.json", "--keys", "keys", "--out", "opening")
    record = made["commitment"]

    say("3. A clinic asks for a proof of the diagnosis, with a number that it uses once")
    clinic, insurer = secrets.token_hex(32), secrets.token_hex(32)
    note(f"the clinic's number: {clinic}")

    say("4. The patient proves it")
    proof = ("network.onnx", "--input", "record.json", "--keys", "keys", "--input-opening", "opening")
    example.run("prove", *proof, "--context", clinic, "--out", "proof")

    say("5. The clinic verifies: this model, this record, this request; it learns the class and nothing else")
    expected = ("--vk", "keys/model.vk", "--model-hash", model, "--input-commitment", record)
    report = example.run("verify", "proof", *expected, "--context", clinic)
    check(report["inputs"] is None and len(report["outputs"]) == 1, "the proof says more than the class")
    diagnosis = round(report["outputs"][0])
    check(CLASSES[diagnosis] == "malignant", "the model says otherwise")
    note(f"diagnosis: {CLASSES[diagnosis]}")

    say("Cheating: the same proof with the other diagnosis")
    example.write_json("claimed.json", {"outputs": [1 - diagnosis]})
    example.refused(1, "verify", "proof", *expected, "--context", clinic, "--outputs", "claimed.json", because="does not hold")

    say("Cheating: a proof about somebody else's record, who is healthy")
    example.run("prove", "network.onnx", "--input", "healthy.json", "--keys", "keys", "--context", clinic, "--out", "other")
    example.refused(1, "verify", "other", *expected, "--context", clinic, because="the input commitment is")

    say("Cheating: ... under the patient's commitment")
    example.refused(
        2, "prove", "network.onnx", "--input", "healthy.json", "--keys", "keys", "--input-opening", "opening",
        "--context", clinic, "--out", "other", because="the opening is of another input")

    say("Cheating: a model that finds everybody healthy, under keys of its own")
    example.run("setup", "healthy.onnx", *setup, "keys2")
    example.run("prove", "healthy.onnx", "--input", "record.json", "--keys", "keys2", "--context", clinic, "--out", "other")
    example.refused(1, "verify", "other", *expected, "--context", clinic, because="key")
    example.refused(
        1, "verify", "other", "--vk", "keys2/model.vk", "--model-hash", model, "--context", clinic,
        because="the model hash is")

    say("Replaying: the clinic shows the proof to an insurer, as if the patient had asked for it")
    example.refused(1, "verify", "proof", *expected, "--context", insurer, because="does not hold")

    say("6. Later the patient shows one measure of the committed record, and no other")
    example.run("reveal", "--opening", "opening", "--keys", "keys", "--elements", "0", "--out", "shown")
    report = example.run("verify-reveal", "shown", "--vk", "keys/model.vk", "--input-commitment", record)
    [element] = report["elements"]
    note(f"{data['names'][0]}: {element['value'] * data['units'][0]:.4g}")


if __name__ == "__main__":
    main(story, __file__)
