#!/usr/bin/env python3
"""Times EZKL and tapeout side by side on the example models, in one run.

Every step of either system is a process of its own, so wall time, CPU time and peak resident memory are measured alike for both:
from starting the process, key loading included, to its end, by the operating system's accounting for it. Proofs of the two systems
alternate. EZKL runs with its default settings, calibrated on the model's samples as its documentation has it, on a
reference string made locally; its witness generation is timed apart from its proof, tapeout's proof includes it.

    make bench-ezkl DOC=1                           both systems, the models without functions; writes the table of README.md
    make bench-ezkl MODELS=functions DOC=1          both systems, the models with functions; writes the table of docs/performance.md
    make bench-ezkl CONTRACTS=1                     their contracts too, in one EVM
    build/ezkl/bin/python benches/peers/ezkl_bench.py     EZKL alone
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import contracts
import pages

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

# Proofs per model. EZKL takes minutes and over 10 GB for LeNet-5, so it is proven once.
RUNS = {"linreg": 5, "mlp_mnist": 3, "lenet5": 1}

# Models with functions, products and comparisons.
FUNCTIONS = ["mlp_sigmoid", "trading_mlp", "rf_iris", "lstm", "attn_tiny"]

# Pages whose tables are of these models, and what writes them.
PAGES = [
    (list(RUNS), ROOT / "README.md", "make bench-ezkl DOC=1"),
    (FUNCTIONS, ROOT / "docs" / "performance.md", "make bench-ezkl MODELS=functions DOC=1"),
]

GNU_TIME = shutil.which("gtime") or "/usr/bin/time"


class StepFailed(Exception):
    """A process of either system ended with an error."""


def measure(command, log):
    """Runs a command to its end; its standard output and what it took.

    The peak of memory is GNU time's: a child that this process itself starts would inherit this interpreter's own peak as its
    floor. CPU time is that of GNU time and the command together, the former's being below a millisecond.
    """
    with (
        open(log, "a", encoding="utf-8") as errors,
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.NamedTemporaryFile("r", encoding="utf-8") as peak,
    ):
        errors.write(f"\n$ {' '.join(map(str, command))}\n")
        errors.flush()
        timed = [GNU_TIME, "--format=%M", f"--output={peak.name}", *map(str, command)]
        start = time.monotonic()
        process = subprocess.Popen(timed, stdout=output, stderr=errors, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise StepFailed(f"exit code {process.returncode}: {' '.join(map(str, command))}; see {log}")
        output.seek(0)
        return output.read(), {
            "wall_s": round(wall, 4),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 4),
            "peak_rss_mib": round(int(peak.read()) / 1024, 1),
        }


class Ezkl:
    """EZKL through its Python package. Paths are relative to the working folder of one model."""

    name = "ezkl"

    def __init__(self, work, log):
        self.work, self.log = work, log

    def step(self, *arguments):
        return measure([sys.executable, __file__, "--step", self.work, *arguments], self.log)

    def setup(self, model):
        samples = json.loads((model / "samples.json").read_text(encoding="utf-8"))["samples"]
        batch = [value for sample in samples for value in sample]
        (self.work / "calibration.json").write_text(json.dumps({"input_data": [batch]}), encoding="utf-8")
        shutil.copy(model / "input.json", self.work / "input.json")
        steps = {}
        for name in ("settings", "calibrate", "compile", "srs", "setup"):
            _, steps[name] = self.step(name, model / "network.onnx")
        settings = json.loads((self.work / "settings.json").read_text(encoding="utf-8"))
        return {
            **steps["setup"],
            "pk_bytes": (self.work / "model.pk").stat().st_size,
            "vk_bytes": (self.work / "model.vk").stat().st_size,
            "rows": settings["num_rows"],
            "logrows": settings["run_args"]["logrows"],
            "input_scale": settings["run_args"]["input_scale"],
            "steps": steps,
        }

    def prove(self):
        _, witness = self.step("witness")
        _, cost = self.step("prove")
        proof = json.loads((self.work / "proof.json").read_text(encoding="utf-8"))
        raw = proof["proof"]
        size = len(bytes.fromhex(raw.removeprefix("0x"))) if isinstance(raw, str) else len(raw)
        pretty = json.loads((self.work / "witness.json").read_text(encoding="utf-8"))["pretty_elements"]
        outputs = [float(value) for value in pretty["rescaled_outputs"][0]]
        return {**cost, "proof_bytes": size, "witness": witness, "outputs": outputs}

    def verify(self):
        return self.step("verify")[1]


def ezkl_step(work, name, model):
    """One step of EZKL, inside the process that is measured."""
    import ezkl  # only where EZKL runs, so that a child of tapeout's side does not load it

    os.chdir(work)
    files = {"settings": "settings.json", "circuit": "circuit", "srs": "srs", "pk": "model.pk", "vk": "model.vk"}
    if name == "settings":
        done = ezkl.gen_settings(model, files["settings"])
    elif name == "calibrate":
        done = ezkl.calibrate_settings("calibration.json", model, files["settings"], "resources")
    elif name == "compile":
        done = ezkl.compile_circuit(model, files["circuit"], files["settings"])
    elif name == "srs":
        settings = json.loads(pathlib.Path(files["settings"]).read_text(encoding="utf-8"))
        ezkl.gen_srs(files["srs"], settings["run_args"]["logrows"])
        done = True
    elif name == "setup":
        done = ezkl.setup(files["circuit"], files["vk"], files["pk"], files["srs"])
    elif name == "witness":
        done = ezkl.gen_witness("input.json", files["circuit"], "witness.json")
    elif name == "prove":
        done = ezkl.prove("witness.json", files["circuit"], files["pk"], "proof.json", files["srs"])
    elif name == "verify":
        done = ezkl.verify("proof.json", files["settings"], files["vk"], files["srs"])
    else:
        raise SystemExit(f"no step is named {name}")
    if not done:
        raise SystemExit(f"EZKL's step {name} returned {done}")


class Tapeout:
    """The command line under test."""

    name = "tapeout"

    def __init__(self, binary, work, log):
        self.binary, self.work, self.log = binary, work, log
        self.model = None

    def step(self, *arguments):
        output, cost = measure([self.binary, "--json", *arguments], self.log)
        return json.loads(output), cost

    def setup(self, model):
        self.model = model
        report, cost = self.step(
            "setup", model / "network.onnx", "--calibrate", model / "samples.json", "--out", self.work / "keys"
        )
        return {**{key: report[key] for key in ("pk_bytes", "vk_bytes", "rows", "lanes")}, **cost}

    def prove(self):
        report, cost = self.step(
            *("prove", self.model / "network.onnx", "--input", self.model / "input.json"),
            *("--keys", self.work / "keys", "--out", self.work / "proof"),
        )
        return {**cost, "proof_bytes": report["proof_bytes"], "outputs": report["outputs"]}

    def verify(self):
        return self.step("verify", self.work / "proof", "--vk", self.work / "keys" / "model.vk", "--insecure-dev")[1]


def compare(name, runs, systems):
    """Sets both systems up for a model, then lets their proofs alternate."""
    model = EXAMPLES / name
    expected = json.loads((model / "input.json").read_text(encoding="utf-8"))["output_data"][0]
    rows, failures = {}, {}

    def attempt(system, step):
        # The peer may not know a model; that is a result. Of tapeout it is an error.
        if system.name in failures:
            return
        try:
            step()
        except StepFailed as error:
            if system.name == Tapeout.name:
                raise
            failures[system.name] = str(error)
            rows.pop(system.name, None)
            note(f"{name}: {system.name} fails: {error}\n{system.log.read_text(encoding='utf-8')[-2000:]}")

    def set_up(system):
        rows[system.name] = {"setup": system.setup(model), "proofs": []}

    def prove(system):
        proof = system.prove()
        outputs = proof.pop("outputs")
        if len(outputs) != len(expected):
            raise StepFailed(f"{system.name} gave {len(outputs)} outputs for {name}, expected {len(expected)}")
        proof["max_error"] = max(abs(got - want) for got, want in zip(outputs, expected))
        rows[system.name]["proofs"].append({**proof, "verify": system.verify()})

    for system in systems:
        attempt(system, lambda: set_up(system))
    for run in range(runs):
        for system in systems:
            note(f"{name}: proof {run + 1} of {runs}, {system.name}")
            attempt(system, lambda: prove(system))
    for row in rows.values():
        proofs = row["proofs"]
        row["median"] = {key: statistics.median(proof[key] for proof in proofs) for key in proofs[0] if key not in ("witness", "verify")}
        row["median"]["verify_wall_s"] = statistics.median(proof["verify"]["wall_s"] for proof in proofs)
    return {"model": name, "runs": runs, "failures": failures, **rows}


def machine():
    """What the figures hold for."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return {"cpu": line.split(":", 1)[1].strip(), "cores": os.cpu_count(), "system": platform.platform()}
    return {"cpu": platform.processor(), "cores": os.cpu_count(), "system": platform.platform()}


def table(results):
    """The comparison for people."""
    head = ("model", "system", "wall s", "cpu s", "peak MiB", "proof B", "verify s", "setup cpu s", "key MB", "max error")
    lines = [head]
    for result in results:
        for system in ("ezkl", "tapeout"):
            if system not in result:
                continue
            setup, median = result[system]["setup"], result[system]["median"]
            lines.append((
                *(result["model"], system, f"{median['wall_s']:.3f}", f"{median['cpu_s']:.3f}", f"{median['peak_rss_mib']:.0f}"),
                *(f"{median['proof_bytes']:.0f}", f"{median['verify_wall_s']:.3f}", f"{setup['cpu_s']:.2f}"),
                *(f"{setup['pk_bytes'] / 1e6:.1f}", f"{median['max_error']:.1e}"),
            ))
        if "ezkl" in result and "tapeout" in result:
            a, b = result["ezkl"]["median"], result["tapeout"]["median"]
            ratios = (f"{a[key] / b[key]:.1f}x" for key in ("wall_s", "cpu_s", "peak_rss_mib", "proof_bytes", "verify_wall_s"))
            lines.append((result["model"], "ezkl / tapeout", *ratios, "", "", ""))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) if column < 2 else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(line, widths))) for line in lines)


def markdown(report):
    """The same for a page."""
    machine = report["machine"]
    load = f"load {report['load_before']:.1f} before, {report['load_after']:.1f} after"
    lines = [
        f"On {machine['cores']} cores of {machine['cpu']}; {load}; EZKL {report['ezkl_version']}. Of several proofs the median.",
        "",
        "| model | system | wall s | CPU s | peak MiB | proof B | verify s | setup CPU s | largest error |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for result in report["results"]:
        name = result["model"]
        for system in ("ezkl", "tapeout"):
            if system in result.get("failures", {}):
                lines.append(f"| {name} | {system} | fails | | | | | | |")
            if system not in result:
                continue
            setup, m = result[system]["setup"], result[system]["median"]
            figures = (f"{m['wall_s']:.3f}", f"{m['cpu_s']:.3f}", f"{m['peak_rss_mib']:.0f}", f"{m['proof_bytes']:,.0f}",
                       f"{m['verify_wall_s']:.3f}", f"{setup['cpu_s']:.2f}", f"{m['max_error']:.1e}")
            lines.append(f"| {name} | {system} | {' | '.join(figures)} |")
        if "ezkl" in result and "tapeout" in result:
            a, b = result["ezkl"]["median"], result["tapeout"]["median"]
            keys = ("wall_s", "cpu_s", "peak_rss_mib", "proof_bytes", "verify_wall_s")
            ratios = " | ".join(f"{a[key] / b[key]:.1f}" for key in keys)
            lines.append(f"| {name} | ratio | {ratios} | | |")
    return "\n".join(lines)


def contract_rows(result, model, work, binary):
    """The contracts of the systems that proved the model, in one EVM."""
    rows = {}
    if Ezkl.name in result:
        rows[Ezkl.name] = contracts.ezkl(work / Ezkl.name)
    if Tapeout.name in result:
        rows |= {f"{Tapeout.name}, {form}": row for form, row in contracts.tapeout(binary, model, work / Tapeout.name).items()}
    return rows


def contract_table(results):
    """The contracts, as Markdown."""
    lines = ["| model | contract | code, bytes | calldata, bytes | gas |", "|---|---|--:|--:|--:|"]
    for result in results:
        for name, row in result["contracts"].items():
            gas = f"{row['gas']:,}" if row["gas"] else f"none: a chain takes {contracts.CODE_LIMIT:,} bytes"
            wrong = "" if row["accepted"] in (True, None) else ", REFUSED"
            lines.append(f"| {result['model']} | {name} | {row['code_bytes']:,} | {row['calldata_bytes']:,} | {gas}{wrong} |")
    return "\n".join(lines)


def note(text):
    print(text, file=sys.stderr, flush=True)


def main():
    if sys.argv[1:2] == ["--step"]:
        return ezkl_step(*sys.argv[2:4], sys.argv[4] if len(sys.argv) > 4 else None)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tapeout", type=pathlib.Path, help="the tapeout binary; without it EZKL is measured alone")
    parser.add_argument("--without-ezkl", action="store_true", help="measure tapeout alone")
    parser.add_argument("--models", default=",".join(RUNS), help="comma-separated; `functions` for " + ", ".join(FUNCTIONS) + "; default: %(default)s")
    parser.add_argument("--runs", type=int, help="proofs per model and system; default: " + str(RUNS))
    parser.add_argument("--out", type=pathlib.Path, help="write the figures here as JSON")
    parser.add_argument("--doc", action="store_true", help="write the tables of the page that is about these models and, with --contracts, of docs/evm.md")
    parser.add_argument("--contracts", action="store_true", help="measure the gas of both systems' contracts too")
    options = parser.parse_args()
    if options.contracts and (missing := contracts.missing()):
        parser.error(f"--contracts: {missing}")
    options.models = FUNCTIONS if options.models == "functions" else options.models.split(",")
    for name in options.models:
        if not (EXAMPLES / name / "network.onnx").is_file():
            parser.error(f"no example model is named {name}; there are: {', '.join(sorted(p.parent.name for p in EXAMPLES.glob('*/network.onnx')))}")
    names = [*([] if options.without_ezkl else ["ezkl"]), *(["tapeout"] if options.tapeout else [])]
    if not names:
        parser.error("--without-ezkl leaves nothing to measure: give --tapeout")
    page = next(((page, command) for models, page, command in PAGES if models == options.models), None)
    if options.doc and (names != [Ezkl.name, Tapeout.name] or page is None):
        parser.error("--doc writes figures of both systems, and of all models of a page: give --tapeout, and neither --without-ezkl nor other --models")
    if options.runs is not None and options.runs < 1:
        parser.error("--runs must be at least 1")

    if not os.access(GNU_TIME, os.X_OK):
        parser.error("GNU time is needed to measure memory: apt-get install time, or brew install gnu-time")
    report = {
        "machine": machine(),
        "load_before": os.getloadavg()[0],
        "ezkl_version": importlib.metadata.version("ezkl") if Ezkl.name in names else None,
        "results": [],
    }
    with tempfile.TemporaryDirectory(prefix="bench-ezkl-") as folder:
        for name in options.models:
            work = pathlib.Path(folder) / name
            systems = []
            for system in names:
                (work / system).mkdir(parents=True)
                log = pathlib.Path(folder) / f"{name}-{system}.log"
                systems.append(Ezkl(work / system, log) if system == "ezkl" else Tapeout(options.tapeout.resolve(), work / system, log))
            note(f"{name}: setting up")
            try:
                result = compare(name, options.runs or RUNS.get(name, 1), systems)
                if options.contracts:
                    note(f"{name}: contracts")
                    result["contracts"] = contract_rows(result, EXAMPLES / name, work, options.tapeout)
                report["results"].append(result)
            except (StepFailed, contracts.ContractFailed) as error:
                note(f"{name}: {error}")
                for system in systems:
                    note(system.log.read_text(encoding="utf-8")[-2000:] if system.log.exists() else "")
                return 1
            shutil.rmtree(work)  # EZKL's key for LeNet-5 alone is several gigabytes
    report["load_after"] = os.getloadavg()[0]
    if options.out:
        partial = options.out.with_suffix(".partial")
        partial.write_text(json.dumps(report, indent=1), encoding="utf-8")
        partial.replace(options.out)
    print(table(report["results"]))
    if options.contracts:
        print(f"\n{contract_table(report['results'])}")
    if options.doc:
        pages.write(*page, markdown(report))
        if options.contracts:
            pages.write(contracts.PAGE, "make bench-ezkl CONTRACTS=1 DOC=1", contract_table(report["results"]))
        note("the pages are written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
