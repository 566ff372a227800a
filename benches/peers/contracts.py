"""The contracts of EZKL and tapeout for one model, compiled by the same compiler and called in the same EVM.

`make evm-tools` installs the compiler (solc from npm) and the EVM (revm); `ezkl_bench.py --contracts` calls this. By itself (`make bench-gas`)
it writes the table of Tapeout's contracts into docs/evm.md.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import pages

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOLC = ROOT / "build/evm/node_modules/solc/solc.js"
EVM = ROOT / "build/evm/evm-run"

PAGE = ROOT / "docs/evm.md"
MODELS = ["mlp_mnist", "lenet5", "cnn_264k", "lstm", "attn_tiny"]

# What a chain takes (EIP-170).
CODE_LIMIT = 24_576

# EZKL's contracts are too deep for the legacy optimiser without its Yul step, so that they get all of it.
SETTINGS = {
    "evmVersion": "cancun",
    "optimizer": {"enabled": True, "runs": 200},
    "outputSelection": {"*": {"*": ["evm.bytecode.object", "evm.deployedBytecode.object"]}},
}


class ContractFailed(Exception):
    """A contract could not be written, compiled or called."""


def missing():
    """What is missing of the tools, if anything is."""
    return next((f"'{path}' is not there: `make evm-tools` installs it" for path in (SOLC, EVM) if not path.exists()), None)


def ezkl(work):
    """Length and gas of EZKL's contract, from the verifying key and the proof in its working folder."""
    import ezkl as package

    source, here = work / "verifier.sol", os.getcwd()
    os.chdir(work)
    try:
        calldata = bytes(package.encode_evm_calldata("proof.json", "calldata.bin"))
        write_ezkl_contract(package)
    finally:
        os.chdir(here)
    if not source.exists():
        raise ContractFailed("EZKL wrote no contract")
    return run(compile_source(source, work), calldata)


def write_ezkl_contract(package):
    """Writes verifier.sol. EZKL then wants to fetch a compiler of its own for the ABI, which is not needed: that it cannot is no failure."""
    import asyncio

    async def write():
        await package.create_evm_verifier("model.vk", "settings.json", "verifier.sol", "verifier.abi", "srs", False)

    try:
        asyncio.run(write())
    except RuntimeError as error:
        if "svm error" not in str(error):
            raise ContractFailed(str(error)) from error


def tapeout(binary, model, work):
    """Length and gas of Tapeout's contracts: the one for this key, and the one that serves every key of its architecture."""

    def step(*arguments):
        process = subprocess.run([binary, "--json", *map(str, arguments)], capture_output=True, text=True, check=False)
        if process.returncode != 0:
            raise ContractFailed(f"tapeout {arguments[0]}: {process.stdout}{process.stderr}")
        return json.loads(process.stdout)

    keys, proof = work / "evm-keys", work / "evm-proof"
    made = step("setup", model / "network.onnx", "--calibrate", model / "samples.json", "--profile", "evm", "--out", keys)
    step("prove", model / "network.onnx", "--input", model / "input.json", "--keys", keys, "--out", proof)
    verify = ("evm", "--keys", keys, "--proof", proof, "--tools", ROOT / "build/evm")
    rows = {"single": step(*verify, "--out", work / "contract"), "shared": step(*verify, "--shared", "--out", work / "shared")}
    common = {"rows": made["rows"], "proof_bytes": proof.stat().st_size}
    wanted = ("code_bytes", "calldata_bytes", "gas", "deploy_gas", "accepted")
    return {form: {**common, **{key: row[key] for key in wanted}} for form, row in rows.items()}


def compile_source(source, work):
    """Creation code and length of the one contract in a file."""
    request = work / "solc.json"
    sources = {source.name: {"content": source.read_text(encoding="utf-8")}}
    request.write_text(json.dumps({"language": "Solidity", "sources": sources, "settings": SETTINGS}), encoding="utf-8")
    # Files rather than pipes: the compiler waits for neither an empty one nor a full one.
    answer = work / "solc-answer.json"
    with open(request, encoding="utf-8") as text, open(answer, "w", encoding="utf-8") as out:
        subprocess.run(["node", SOLC, "--standard-json"], stdin=text, stdout=out, check=True)
    text = answer.read_text(encoding="utf-8")
    answer = json.loads(text[text.find("{"):])
    errors = [message["formattedMessage"] for message in answer.get("errors", []) if message["severity"] == "error"]
    if errors:
        raise ContractFailed(errors[0])
    [contract] = answer["contracts"][source.name].values()
    return contract["evm"]["bytecode"]["object"], len(contract["evm"]["deployedBytecode"]["object"]) // 2


def run(compiled, calldata):
    """What a call takes, the calldata and the transaction's base included; no gas where the contract is too long to be deployed."""
    code, code_bytes = compiled
    row = {"code_bytes": code_bytes, "calldata_bytes": len(calldata), "gas": None, "accepted": None}
    if code_bytes > CODE_LIMIT:
        return row
    request = json.dumps({"deploy": [code], "calls": [{"to": 0, "data": calldata.hex()}]})
    process = subprocess.run([EVM], input=request, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise ContractFailed(process.stderr)
    [call] = json.loads(process.stdout)["calls"]
    # It returns true or false, and reverts.
    return {**row, "gas": call["gas"], "accepted": call["ok"] and int(call["output"] or "0", 16) == 1}


def table(rows):
    """Tapeout's contracts, as Markdown."""
    lines = [
        "| model | contract | rows | proof file, bytes | calldata, bytes | code, bytes | gas | gas to deploy |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]

    def number(value):
        return "-" if value is None else f"{value:,}"

    for model, forms in rows.items():
        for form, row in forms.items():
            wrong = "" if row["accepted"] in (True, None) else " REFUSED"
            figures = (row[key] for key in ("rows", "proof_bytes", "calldata_bytes", "code_bytes", "gas", "deploy_gas"))
            lines.append(f"| {model} | {form}{wrong} | {' | '.join(map(number, figures))} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="Measures Tapeout's contracts and writes the table of docs/evm.md.")
    parser.add_argument("--tapeout", type=pathlib.Path, required=True, help="the tapeout binary")
    options = parser.parse_args()
    if lacking := missing():
        parser.error(lacking)
    rows = {}
    for name in MODELS:
        with tempfile.TemporaryDirectory(prefix="bench-gas-") as folder:
            rows[name] = tapeout(options.tapeout.resolve(), ROOT / "examples" / name, pathlib.Path(folder))
    pages.write(PAGE, "make bench-gas", table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
