#!/usr/bin/env python3
"""What each choice of who sees input, output and weights costs: prover time, proof bytes and gas, in docs/visibility.md.

Keys for all choices are made first; then proofs of the choices alternate. Every proof is a process of its own, whose processor time
is the operating system's count of it, and is verified. Gas is that of the contract for keys of the profile evm, run in revm.

    make bench-visibility               lenet5, 15 proofs a choice (MODELS=... RUNS=...)
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

from process import tapeout

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/visibility.md"

# (input, output, weights); the first is what the others are compared with.
CHOICES = [
    ("private", "public", "public"),
    ("public", "public", "public"),
    ("committed", "public", "public"),
    ("private", "private", "public"),
    ("private", "committed", "public"),
    ("committed", "committed", "public"),
    ("private", "public", "private"),
    ("hashed", "public", "public"),
    ("private", "hashed", "public"),
    ("hashed", "hashed", "public"),
]

HEAD = """# What it costs who sees what

`make bench-visibility` writes this page. `tapeout setup --input WHO --output WHO --weights WHO` with the other settings at their defaults; one proof, the whole process counted, medians of
{runs} proofs a choice that alternated in one run, processor seconds of both cores together; ratios are medians of each round's. Gas is the whole transaction's, for keys of the profile `evm`. A public input of
many elements is a statement of as many words: proofs have fewer slots, calldata has more bytes.

"""


class Choice:
    """Keys for one choice, and what their proofs took."""

    def __init__(self, binary, model, folder, choice):
        self.binary, self.model, self.choice = binary, model, choice
        self.folder = folder / "-".join(choice)
        self.folder.mkdir()
        self.cpu, self.wall = [], []
        self.proof_bytes = None
        self.setup("keys")

    def setup(self, keys, *flags):
        where = ("--calibrate", self.model / "samples.json", "--out", self.folder / keys)
        who = ("--input", self.choice[0], "--output", self.choice[1], "--weights", self.choice[2])
        tapeout(self.binary, "setup", self.model / "network.onnx", *where, *who, *flags)

    def prove(self, keys, proof):
        where = ("--keys", self.folder / keys, "--out", self.folder / proof)
        result = tapeout(self.binary, "prove", self.model / "network.onnx", "--input", self.model / "input.json", *where)
        tapeout(self.binary, "verify", self.folder / proof, "--vk", self.folder / keys / "model.vk", "--insecure-dev")
        return result

    def run(self):
        report, cost = self.prove("keys", "proof")
        self.proof_bytes = report["proof_bytes"]
        self.cpu.append(cost.cpu_s)
        self.wall.append(cost.wall_s)

    def gas(self):
        self.setup("evm", "--profile", "evm")
        self.prove("evm", "evm-proof")
        where = ("--keys", self.folder / "evm", "--proof", self.folder / "evm-proof", "--out", self.folder / "contract")
        report, _ = tapeout(self.binary, "evm", *where, "--tools", ROOT / "build/evm")
        return report


def table(name, choices):
    """Rows of one model, as Markdown."""
    lines = [
        f"## {name}",
        "",
        "| input | output | weights | CPU s | against the first | wall s | proof, bytes | gas | calldata, bytes |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for choice in choices:
        report = choice.gas()
        cpu = statistics.median(choice.cpu)
        against = statistics.median(mine / first for mine, first in zip(choice.cpu, choices[0].cpu))
        gas = f"{report['gas']:,}" if report["gas"] else f"- ({report['unmeasured']})"
        lines.append(
            f"| {' | '.join(choice.choice)} | {cpu:.3f} | {100 * (against - 1):+.1f} % | "
            f"{statistics.median(choice.wall):.3f} | {choice.proof_bytes:,} | {gas} | {report['calldata_bytes']:,} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tapeout", type=pathlib.Path, required=True, help="the tapeout binary")
    parser.add_argument("--models", type=lambda text: text.split(","), default=["lenet5"], help="comma-separated; default: lenet5")
    parser.add_argument("--runs", type=int, default=15, help="proofs a choice; default: %(default)s")
    options = parser.parse_args()
    binary = options.tapeout.resolve()
    tables = []
    for name in options.models:
        model = ROOT / "examples" / name
        if not (model / "network.onnx").is_file():
            parser.error(f"no example model is named {name}")
        with tempfile.TemporaryDirectory(prefix="bench-visibility-") as folder:
            choices = [Choice(binary, model, pathlib.Path(folder), choice) for choice in CHOICES]
            for run in range(options.runs):
                print(f"{name}: proofs {run + 1} of {options.runs}", file=sys.stderr)
                for choice in choices:
                    choice.run()
            tables.append(table(name, choices))
    text = HEAD.format(runs=options.runs) + "\n\n".join(tables) + "\n"
    TABLE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
