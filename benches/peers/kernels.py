#!/usr/bin/env python3
"""MSM, NTT and other kernels beside other libraries' and whole proofs beside arkworks' kernels: the tables of docs/performance.md.

    make bench-peers                        all parts: half an hour on a quiet machine
    make bench-peers PARTS=msm,ntt          some of them; the page keeps the others' figures
    make bench-peers SIZES=12..14 ...       fewer sizes

What was measured is kept in build/kernels.json. Figures are processor time (medians), but for two threads, where they are wall time
(least), as a thread that waits for another costs none.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

import pages

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"
COMMAND = "make bench-peers"

# Base-2 logarithms of the sizes of each part.
SIZES = {
    "msm": [12, 14, 16, 18, 20],
    "portable": [12, 14, 16],
    "narrow": [12, 14, 16, 18],
    "multiples": [12, 14, 16, 18],
    "ntt": [10, 12, 14, 16, 18, 20],
    "work": [12, 14, 16],
    "threads": [14, 16, 18],
    "proofs": [],
}
WIDTHS = ["u1", "i8", "i16", "i32"]
OPERATIONS = [
    "powers", "evaluation", "inversion", "pointwise product", "inner product", "combination of three", "program of six steps",
]
MODELS = ["mlp_mnist", "lenet5", "cnn_264k"]


def runs(log_n):
    """How often a size is measured: small ones take less and vary more."""
    return 3 if log_n >= 20 else 5 if log_n >= 18 else 9 if log_n >= 15 else 15


def measure(binary, kernel, log_n, *flags, threads=1):
    """The rows of one size, by library."""
    command = [binary, kernel, "--json", "--sizes", f"{log_n}..{log_n}", "--repetitions", str(runs(log_n)), "--threads", str(threads), *flags]
    print("  " + " ".join(map(str, command[1:])), file=sys.stderr)
    lines = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.splitlines()
    return {row["library"]: row for row in map(json.loads, lines)}


def cpu(rows, library):
    return rows[library]["cpu_ms"]


def ratio(rows, library, base="cpu"):
    """The median over rounds: those who share a round share what else the machine did in it."""
    rounds = zip(rows[library]["cpu_ms_each"], rows[base]["cpu_ms_each"])
    return f"{statistics.median(theirs / ours for theirs, ours in rounds):.1f}"


def ms(value):
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def msm(binary, sizes):
    out = []
    for log_n in sizes:
        rows = measure(binary, "msm", log_n, "--libraries", "cpu,arkworks,halo2curves")
        figures = [ms(cpu(rows, name)) for name in ("cpu", "arkworks", "halo2curves")]
        out.append([f"2^{log_n}", *figures, ratio(rows, "arkworks"), ratio(rows, "halo2curves")])
    return table(["full scalars", "cpu, ms", "arkworks, ms", "halo2curves, ms", "arkworks : cpu", "halo2curves : cpu"], out)


def portable(binary, sizes):
    out = []
    for log_n in sizes:
        for kernel in ("msm", "ntt"):
            rows = measure(binary, kernel, log_n, "--libraries", "portable,arkworks")
            figures = [ms(cpu(rows, name)) for name in ("portable", "arkworks")]
            out.append([f"{kernel.upper()} 2^{log_n}", *figures, ratio(rows, "arkworks", "portable")])
    return table(["without vectors", "portable, ms", "arkworks, ms", "arkworks : portable"], out)


def narrow(binary, sizes):
    out = []
    for width in WIDTHS:
        for log_n in sizes:
            rows = measure(binary, "msm", log_n, "--scalars", width, "--libraries", "cpu,ark-typed")
            figures = [ms(cpu(rows, name)) for name in ("cpu", "ark-typed")]
            rows_of_two = measure(binary, "msm", log_n, "--scalars", width, "--libraries", "cpu,ark-typed", threads=2)
            of_two = f"{rows_of_two['ark-typed']['wall_ms'] / rows_of_two['cpu']['wall_ms']:.1f}"
            out.append([f"{width}, 2^{log_n}", *figures, ratio(rows, "ark-typed"), of_two])
    return table(["scalars", "cpu, ms", "arkworks' typed calls, ms", "arkworks : cpu", "both on two threads, wall"], out)


def multiples(binary, sizes):
    out = []
    for log_n in sizes:
        rows = measure(binary, "msm", log_n, "--libraries", "cpu,cpu-multiples,arkworks")
        figures = [ms(cpu(rows, name)) for name in ("cpu", "cpu-multiples", "arkworks")]
        out.append([f"2^{log_n}", *figures, ratio(rows, "arkworks", "cpu-multiples")])
    return table(["full scalars", "without, ms", "with multiples, ms", "arkworks, ms", "arkworks : with multiples"], out)


def ntt(binary, sizes):
    out = []
    for log_n in sizes:
        for batch in (1, 16) if log_n <= 18 else (1,):
            rows = measure(binary, "ntt", log_n, "--batch", str(batch), "--libraries", "cpu,arkworks,halo2curves")
            figures = [ms(cpu(rows, name)) for name in ("cpu", "arkworks", "halo2curves")]
            butterfly = cpu(rows, "cpu") * 1e6 / (batch * log_n * 2 ** (log_n - 1))
            name = f"2^{log_n}" + (f", batch of {batch}" if batch > 1 else "")
            out.append([name, *figures, ratio(rows, "arkworks"), ratio(rows, "halo2curves"), f"{butterfly:.2f}"])
    head = ["transform", "cpu, ms", "arkworks, ms", "halo2curves, ms", "arkworks : cpu", "halo2curves : cpu", "cpu, ns a butterfly"]
    return table(head, out)


def work(binary, sizes):
    out = []
    for operation in OPERATIONS:
        for log_n in sizes:
            rows = measure(binary, "work", log_n, "--operation", operation)
            figures = [ms(cpu(rows, name)) for name in ("kernels", "arkworks")]
            element = cpu(rows, "kernels") * 1e6 / 2**log_n
            out.append([f"{operation}, 2^{log_n}", *figures, ratio(rows, "arkworks", "kernels"), f"{element:.1f}"])
    return table(["besides", "kernels, ms", "arkworks, ms", "arkworks : kernels", "kernels, ns an element"], out)


def threads(binary, sizes):
    out = []
    for log_n in sizes:
        for kernel, flags, name in [
            ("msm", (), "MSM, full scalars"),
            ("msm", ("--scalars", "i8"), "MSM, i8"),
            ("msm", ("--scalars", "i16"), "MSM, i16"),
            ("ntt", (), "NTT"),
            ("ntt", ("--batch", "16"), "NTT, batch of 16"),
        ]:
            least = {1: [], 2: []}
            for _ in range(3):
                for count in least:
                    rows = measure(binary, kernel, log_n, *flags, "--libraries", "cpu", threads=count)
                    least[count].append(rows["cpu"]["least_wall_ms"])
            one, two = min(least[1]), min(least[2])
            out.append([f"{name}, 2^{log_n}", ms(one), ms(two), f"{one / two:.2f}"])
    return table(["cpu", "one thread, wall ms", "two threads, wall ms", "one : two"], out)


def proofs(tapeout, _):
    out = []
    for model in MODELS:
        folder = ROOT / "examples" / model
        command = [tapeout, "--json", "bench", "proof", "--backends", "cpu,arkworks", "--runs", "5", "--model", folder / "network.onnx"]
        command += ["--input", folder / "input.json", "--calibrate", folder / "samples.json"]
        print("  " + " ".join(map(str, command[1:])), file=sys.stderr)
        done = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        rows = {row["backend"]: row for row in json.loads(done.stdout)}
        ours, theirs = rows["cpu"], rows["arkworks"]
        whole = [ours["median_cpu_ms"], theirs["median_cpu_ms"]]
        parts = [ms(ours[part]) for part in ("msm_ms", "ntt_ms", "host_ms")]
        out.append([model, *map(ms, whole), f"{whole[1] / whole[0]:.1f}", *parts])
    head = ["proof of", "cpu, CPU ms", "arkworks, CPU ms", "arkworks : cpu", "of cpu: MSMs, wall ms", "NTTs, wall ms", "the rest, wall ms"]
    return table(head, out)


PARTS = {"msm": msm, "portable": portable, "narrow": narrow, "multiples": multiples, "ntt": ntt, "work": work, "threads": threads, "proofs": proofs}


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    if not fields:
        return platform.processor() or platform.machine()
    return f"{fields.get('model name', '?')} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


def numbers(text):
    low, _, high = text.partition("..")
    return range(int(low), int(high or low) + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--libraries", type=pathlib.Path, required=True, help="the program in benches/peers/libraries")
    parser.add_argument("--tapeout", type=pathlib.Path, required=True, help="the tapeout binary")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), help="comma-separated; default: all")
    parser.add_argument("--sizes", type=numbers, default=range(29), help="base-2 logarithms, such as 12..16; default: all of each part")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="where what was measured is kept")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part is named {unknown[0]}; there are: {', '.join(PARTS)}")
    kept = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    for part in options.parts:
        print(f"{part}:", file=sys.stderr)
        before = os.getloadavg()[0]
        binary = options.tapeout if part == "proofs" else options.libraries
        text = PARTS[part](binary.resolve(), [size for size in SIZES[part] if size in options.sizes])
        after = os.getloadavg()[0]
        kept[part] = {"table": text, "machine": processor(), "cores": os.cpu_count(), "load": [before, after]}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        pages.write(PAGE, COMMAND, "\n\n".join(section(kept[part]) for part in PARTS if part in kept))


def section(part):
    load = " before, ".join(f"{value:.1f}" for value in part["load"])
    return f"{part['table']}\n\nOn {part['cores']} cores of {part['machine']}; load {load} after."


if __name__ == "__main__":
    main()
