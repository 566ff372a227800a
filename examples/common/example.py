"""What the examples share: they run `tapeout` in a working folder of their own, show each command, and check how it ends.

    python3 examples/NAME/run.py TAPEOUT        TAPEOUT is the binary; `make example-NAME` builds it first

Standard library only. Commands are run with `--json`; what stands below one is taken from its report.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Unexpected(Exception):
    """Something did not end as it should: an honest command failed, or an attempt to cheat went through."""


def bold(text):
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def say(text):
    """A heading, or a paragraph between commands."""
    print("\n" + bold(textwrap.fill(text, 110)), flush=True)


def note(text):
    """A result, indented."""
    print(textwrap.indent(text, "    "), flush=True)


def short(hexadecimal):
    """The beginning of a hash or a commitment, for people to tell it from others."""
    return hexadecimal[:16] + "…"


def refusal(code, reason):
    """How a program refused something, hashes cut short."""
    reason = re.sub("[0-9a-f]{64,}", lambda digits: short(digits[0]), reason)
    note(textwrap.fill(f"refused, exit code {code}: {reason}", 106))


def check(condition, what):
    """Ends the example with an error unless the condition holds."""
    if not condition:
        raise Unexpected(what)


def numbers(values):
    shown = [f"{value:.4f}".rstrip("0").rstrip(".") for value in values[:10]]
    return " ".join(shown + ["…"] * (len(values) > 10))


def summary(verb, report):
    """The lines of a report that an example's reader wants to see."""
    if verb == "setup":
        return (f"input {report['input']}, output {report['output']}; {report['rows']} rows, proofs of {report['proof_bytes']:,} bytes\n"
                f"key {short(report['vk_digest'])} of model {short(report['model_hash'])}")
    if verb == "srs":
        return f"{report['bytes']:,} bytes, {report['origin']}"
    if verb == "commit":
        return f"commitment {short(report['commitment'])}, good for {report['proofs']} proofs"
    if verb == "prove":
        lines = [f"output {numbers(report['outputs'])}"] if report["public_words"] else ["output committed"]
        if report.get("input_commitment"):
            lines.append(f"about the input with commitment {short(report['input_commitment'])}")
        return "\n".join(lines + [f"{report['proof_bytes']:,} bytes in {report['wall_s']:.2f} s"])
    if verb == "verify":
        checked = "".join(f", {what} as expected" for what in report["checked"])
        return f"the proof verifies{checked}" + (f"\noutput {numbers(report['outputs'])}" if report["outputs"] else "")
    if verb == "verify-weights":
        channels = ", ".join(str(layer["channels"]) for layer in report["layers"])
        return f"the key is of a network of {len(report['layers'])} layers of {channels} channels, with weights that it hides"
    if verb == "evm":
        return f"{report['contract']}" + (f", {report['arguments']}" if report["arguments"] else "")
    if verb == "reveal":
        return "written: the elements, and a proof that the commitment is to them"
    if verb == "verify-reveal":
        return "the commitment is to these elements"
    return ""


class Example:
    """A working folder in which the files of the example's folder stand, and the binary."""

    def __init__(self, file):
        if len(sys.argv) != 2:
            raise SystemExit(f"usage: python3 {sys.argv[0]} path/to/tapeout")
        self.tapeout = pathlib.Path(sys.argv[1]).resolve()
        if not self.tapeout.is_file():
            raise SystemExit(f"'{sys.argv[1]}' is not there: `cargo build --release --package tapeout-prover` makes target/release/tapeout")
        self.home = pathlib.Path(file).resolve().parent
        self._folder = tempfile.TemporaryDirectory(prefix="tapeout-")
        self.folder = pathlib.Path(self._folder.name)
        for path in [*self.home.glob("*.onnx"), *self.home.glob("*.json")]:
            os.symlink(path, self.folder / path.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def path(self, name):
        return self.folder / name

    def write_json(self, name, value):
        self.path(name).write_text(json.dumps(value), encoding="utf-8")

    def read_json(self, name):
        return json.loads(self.path(name).read_text(encoding="utf-8"))

    def write_input(self, name, values):
        self.write_json(name, {"input_data": [list(values)]})

    def run(self, *arguments, quiet=False):
        """Runs a command that must succeed, shows it, and gives its report."""
        code, report, errors = self._start(arguments, quiet)
        check(code == 0, f"'{arguments[0]}' ended with exit code {code}: {report or errors}")
        if not quiet:
            note(summary(arguments[0], report))
        return report

    def refused(self, code, *arguments, because):
        """Runs a command that must end with this exit code and this in its reason."""
        got, report, errors = self._start(arguments, quiet=False)
        check(got == code, f"'{arguments[0]}' ended with exit code {got}, not {code}: {report or errors}")
        reason = (report or {}).get("reason") or (report or {}).get("error") or errors
        check(because in reason, f"'{arguments[0]}' was refused for another reason: {reason}")
        refusal(got, reason)

    def _start(self, arguments, quiet):
        # The examples' keys are of strings for trying things out, which verifiers must be told to accept.
        arguments = [str(argument) for argument in arguments] + ["--insecure-dev"] * (arguments[0] in ("verify", "verify-weights"))
        if not quiet:
            shown = [argument if len(argument) < 64 else short(argument) for argument in arguments]
            print("$ tapeout " + " ".join(shown), flush=True)
        process = subprocess.run(
            [self.tapeout, "--json", *arguments], cwd=self.folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return process.returncode, json.loads(process.stdout or "null"), process.stderr


def main(story, file):
    """Runs an example, and ends with 1 and a message where something is not as it should be."""
    try:
        with Example(file) as example:
            story(example)
    except Unexpected as error:
        print(f"\n{pathlib.Path(file).parent.name}: NOT AS IT SHOULD BE: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    say("All as it should be.")
