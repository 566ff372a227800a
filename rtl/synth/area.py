#!/usr/bin/env python3
"""Synthesises every module for UltraScale+ with Yosys; writes hw/area.json and the table of docs/area.md from its statistics.

Usage: rtl/synth/area.py [MODULE...]      without modules, all of them

Needs pyosys (rtl/synth/requirements.txt). The figures are Yosys' mapping (synth_xilinx -family xcup), flat, before placement and routing:
estimates. Large modules are mapped with their parts as black boxes, and the parts' figures added. Rows of modules that are not run again stay
as they are.
"""
import json
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RTL = ROOT / "rtl"
MODULES = [
    "field/mul_limb", "field/carry_chain", "field/reduce_small", "field/mont_mul",
    "msm/digit_unit", "msm/base_fetch", "msm/group_scan", "msm/reduce_rounds", "msm/reducer", "msm/touched_map", "msm/bucket_bank",
    "msm/bucket_bank SlotBits=13",
    "ntt/ntt_input", "ntt/ntt_sequencer", "ntt/ntt_output", "ntt/ntt_twiddles", "ntt/ntt_memory", "ntt/ntt_butterfly",
    "shell/perf_counters", "common/clock_gate",
    # what a pipeline of transforms would delay its elements with (rtl/ntt/README.md)
    "common/delay_line Width=256 Cycles=8192",
]
# what is large stands in them as black boxes, whose own figures are added: how often each
PARTS = {
    "curve/point_add": {"field/mont_mul": 12, "field/reduce_small": 9},
    "msm/bucket_unit": {"msm/bucket_bank": 2, "msm/bucket_bank SlotBits=13": 1},
    "msm/msm_engine": {"curve/point_add": 1, "msm/bucket_unit": 1},
    "shell/card": {"msm/msm_engine": 1, "ntt/ntt_engine": 1},
}
# the NTT engine with its four butterflies, and with two
for lanes, suffix in ((4, ""), (2, " LogLanes=1")):
    sized = [f"ntt/ntt_{part}{suffix}" for part in ("input", "sequencer", "output", "twiddles", "memory")]
    MODULES += [module for module in sized if module not in MODULES]
    PARTS = {f"ntt/ntt_engine{suffix}": {**{module: 1 for module in sized}, "ntt/ntt_butterfly": lanes}, **PARTS}
MODULES += PARTS
RESOURCES = {
    "DSP48E2": ("DSP48E2",),
    "LUT": ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6"),
    "LUT as memory": ("SRL16E", "SRLC32E", "RAM32M", "RAM32M16", "RAM64M", "RAM64M8", "RAM32X1D", "RAM64X1D",
                      "RAM128X1D", "RAM256X1D", "RAM512X1S", "RAM64X8SW"),
    "carry": ("CARRY4", "CARRY8"),
    "FF": ("FDRE", "FDSE", "FDCE", "FDPE"),
    "BRAM36": ("RAMB36E2",),
    "BRAM18": ("RAMB18E2",),
    "URAM": ("URAM288",),
}
BEGIN, END = "<!-- figures: written by rtl/synth/area.py -->\n", "<!-- end of figures -->\n"


def synthesise(module: str, found: dict) -> dict:
    """The figures of a module, parameters behind its name; those of its parts are taken from what was found before."""
    from pyosys import libyosys

    design = libyosys.Design()
    path, *parameters = module.split(" ")
    name, parts = path.split("/")[1], PARTS.get(module, {})
    folders = " ".join(f"-y {RTL / part} -I {RTL / part}" for part in ("common", "field", "curve", "msm", "ntt", "shell"))
    boxes = " ".join(f"--blackboxed-module {part.split(' ')[0].split('/')[1]}" for part in parts)
    values = " ".join(f"-G {parameter}" for parameter in parameters)
    source = f"{RTL}/gen/tapeout_pkg.sv {RTL}/pkg/types_pkg.sv {RTL}/{path}.sv"
    libyosys.run_pass(f"read_slang --threads 1 {boxes} {values} -Y .sv {folders} --top {name} {source}", design)
    with tempfile.TemporaryDirectory() as folder:
        # a black box has no parameters
        dump = pathlib.Path(folder) / "cells"
        for box in {part.split(" ")[0].split("/")[1] for part in parts}:
            libyosys.run_pass(f"tee -q -o {dump} dump t:{box}", design)
            for parameter in sorted(set(re.findall(r"^ +parameter (?:signed )?\\(\S+)", dump.read_text(), re.MULTILINE))):
                libyosys.run_pass(f"setparam -unset {parameter} t:{box}", design)
    libyosys.run_pass(f"synth_xilinx -family xcup -flatten -noiopad -top {name}", design)
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "stat.json"
        libyosys.run_pass(f"tee -q -o {out} stat -json", design)
        cells = json.loads(out.read_text())["design"]["num_cells_by_type"]
    # the black boxes that are there are those that are added
    for box in {part.split(" ")[0] for part in parts}:
        placed = sum(count for cell, count in cells.items() if re.split(r"[$\\]", cell.lstrip("\\"))[0] == box.split("/")[1])
        listed = sum(count for part, count in parts.items() if part.split(" ")[0] == box)
        if placed != listed:
            sys.exit(f"{module} has {placed} of {box}, PARTS says {listed}: {sorted(cells)}")
    own = {name: sum(cells.get(cell, 0) for cell in kinds) for name, kinds in RESOURCES.items()}
    return {name: count + sum(n * found[part][name] for part, n in parts.items()) for name, count in own.items()}


def table(found: dict) -> str:
    lines = ["| module | mapped | " + " | ".join(RESOURCES) + " |", "|---" * (len(RESOURCES) + 2) + "|"]
    for module in [m for m in MODULES if m in found]:
        row = found[module]
        how = "sum" if module in PARTS else "flat"
        lines.append(f"| `{module}` | {how} | " + " | ".join(f"{row[name]:,}" for name in RESOURCES) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    figures, page = ROOT / "hw/area.json", ROOT / "docs/area.md"
    for module in sys.argv[1:] or MODULES:
        found = json.loads(figures.read_text())
        found[module] = synthesise(module, found)
        print(module, found[module], file=sys.stderr)
        figures.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        before, rest = page.read_text().split(BEGIN)
        _, after = rest.split(END)
        page.write_text(before + BEGIN + "\n" + table(found) + "\n" + END + after)


if __name__ == "__main__":
    main()
