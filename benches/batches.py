#!/usr/bin/env python3
"""What proofs of many inferences, and of models in segments, cost beside those of one: docs/batches.md.

Keys are made first; then proofs of the choices alternate. Every proof is a process of its own, whose processor time and memory are
the operating system's count of it, and is verified.

    make bench-batches                  (RUNS=...)
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile

from process import tapeout

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/batches.md"

# A model, and the ways to prove it; the first is what the others are compared with.
BATCHES = [1, 4, 16]
CHOICES = {
    "mlp_mnist": [("--batch", count) for count in BATCHES],
    "lenet5": [("--batch", count) for count in BATCHES],
    "cnn_264k": [("--batch", 1), ("--segments", 6)],
}

HEAD = """# What batches and segments cost

`make bench-batches` writes this page: `tapeout setup --batch COUNT` and `--segments COUNT` with the other settings at their defaults, the
whole process counted, medians of {runs} proofs a choice that alternated in one run, processor seconds of both cores together; ratios
are medians of each round's. `--segments` is an upper limit: a cut is made where it makes segments smaller. "Verified" is what the
verifier computes, without reading files. Segments are proven in little memory where time can be had for it, models in one piece the other way round
([performance.md](performance.md#memory)).

| model | setup | rows | CPU s | against the first | CPU s an inference | wall s | peak MiB | proof, bytes | verified, ms |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def inputs(model, count, folder):
    """The example's input so many times, as a file."""
    values = json.loads((model / "input.json").read_text(encoding="utf-8"))["input_data"]
    flat = [v for part in values for v in part]
    file = folder / f"input-{count}.json"
    file.write_text(json.dumps({"input_data": [flat * count]}), encoding="utf-8")
    return file


class Choice:
    """Keys for one choice, and what their proofs took."""

    def __init__(self, binary, model, folder, choice):
        self.binary, self.model, self.choice = binary, model, choice
        flag, count = choice
        self.count = count if flag == "--batch" else 1
        self.keys = folder / f"{flag}-{count}"
        self.input = inputs(model, self.count, folder)
        where = ("--calibrate", model / "samples.json", "--out", self.keys)
        self.report, _ = tapeout(binary, "setup", model / "network.onnx", *where, *choice)
        self.costs, self.verified = [], []

    def run(self):
        proof = self.keys / "proof"
        where = ("--input", self.input, "--keys", self.keys, "--out", proof)
        _, cost = tapeout(self.binary, "prove", self.model / "network.onnx", *where)
        report, _ = tapeout(self.binary, "verify", proof, "--vk", self.keys / "model.vk", "--insecure-dev")
        self.costs.append(cost)
        self.verified.append(1000 * report["check_s"])
        self.proof_bytes = proof.stat().st_size

    def median(self, of):
        return statistics.median(map(of, self.costs))

    def row(self, name, base):
        flag, count = self.choice
        cpu = self.median(lambda cost: cost.cpu_s)
        against = statistics.median(mine.cpu_s / first.cpu_s for mine, first in zip(self.costs, base.costs))
        segments = self.report.get("segments")
        made = f" ({len(segments)} are made)" if segments else ""
        cells = [
            name,
            f"`{flag} {count}`{made}",
            f"{self.report['rows']:,}",
            f"{cpu:.3f}",
            f"{against:.2f}",
            f"{cpu / self.count:.3f}",
            f"{self.median(lambda cost: cost.wall_s):.3f}",
            f"{self.median(lambda cost: cost.peak_mib):.0f}",
            f"{self.proof_bytes:,}",
            f"{statistics.median(self.verified):.1f}",
        ]
        return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tapeout", type=pathlib.Path, required=True, help="the tapeout binary")
    parser.add_argument("--runs", type=int, default=7, help="proofs a choice; default: %(default)s")
    options = parser.parse_args()
    binary = options.tapeout.resolve()
    rows = []
    for name, choices in CHOICES.items():
        with tempfile.TemporaryDirectory(prefix="bench-batches-") as folder:
            made = [Choice(binary, ROOT / "examples" / name, pathlib.Path(folder), choice) for choice in choices]
            for run in range(options.runs):
                print(f"{name}: proofs {run + 1} of {options.runs}", file=sys.stderr)
                for choice in made:
                    choice.run()
            rows += [choice.row(name, made[0]) for choice in made]
    text = HEAD.format(runs=options.runs) + "\n".join(rows) + "\n"
    TABLE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
