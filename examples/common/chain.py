"""A chain in memory, for the examples with contracts: solc compiles them, evm-run (revm) runs them; `make evm-tools` installs both.

Every transaction is kept, and the next one is run on an empty chain behind all that were before it, which gives the same state.
"""

import json
import pathlib
import subprocess
import tempfile

from example import ROOT, Unexpected

TOOLS = ROOT / "build/evm"
# As the tests of the contracts have it.
OPTIMIZER = {"enabled": True, "runs": 200, "details": {"yul": False}}
# Order of the scalar field: a public word above half of it stands for a negative number.
R = 21888242871839275222246405745257275088548364400416034343698204186575808495617


class Reverted(Exception):
    """A transaction was undone; the error that the contract gave, as its signature, or what else is known."""


def signed(word):
    """The number that a public word stands for."""
    return word - R if word > R // 2 else word


def compile_contracts(*sources):
    """All contracts in these files and in Tapeout.sol, by name; files import each other by their own names."""
    sources = [pathlib.Path(__file__).with_name("Tapeout.sol"), *sources]
    for tool in (TOOLS / "node_modules/solc/solc.js", TOOLS / "evm-run"):
        if not tool.exists():
            raise SystemExit(f"'{tool}' is not there: `make evm-tools` installs it")
    request = {
        "language": "Solidity",
        "sources": {path.name: {"content": path.read_text(encoding="utf-8")} for path in sources},
        "settings": {
            "evmVersion": "cancun",
            "optimizer": OPTIMIZER,
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.methodIdentifiers"]}},
        },
    }
    answer = _run(["node", TOOLS / "node_modules/solc/solc.js", "--standard-json"], request)
    messages = [message["formattedMessage"] for message in answer.get("errors", []) if message["severity"] == "error"]
    if messages:
        raise Unexpected("\n".join(messages))
    return {name: contract for file in answer["contracts"].values() for name, contract in file.items()}


def arguments(example, keys, proof, context):
    """Proof and public words as a contract takes them, by `tapeout evm`."""
    example.run("evm", "--keys", keys, "--proof", proof, "--out", "contract", "--context", context, quiet=True)
    made = example.read_json("contract/arguments.json")
    return bytes.fromhex(made["proof"][2:]), [int(word, 16) for word in made["publicInputs"]]


class Chain:
    """What was deployed and sent."""

    def __init__(self):
        self._deploy, self._calls, self._errors = [], [], set()

    def deploy(self, contract, *values):
        """Deploys a compiled contract with these arguments of its constructor. Everything is deployed before the first call."""
        constructor = next((entry for entry in contract["abi"] if entry["type"] == "constructor"), {"inputs": []})
        code = contract["evm"]["bytecode"]["object"] + _encode([given["type"] for given in constructor["inputs"]], values).hex()
        self._errors |= {_signature(entry) for entry in contract["abi"] if entry["type"] == "error"}
        outcome = self._outcome({"deploy": [*self._deploy, code], "calls": []}, "deployed")
        self._deploy.append(code)
        return Contract(self, len(self._deploy) - 1, outcome["address"], contract["evm"]["methodIdentifiers"])

    def call(self, to, data, sender=None, value=0, keep=False):
        call = {"to": to, "data": data, "value": value}
        if sender:
            call["from"] = sender
        outcome = self._outcome({"deploy": self._deploy, "calls": [*self._calls, call]}, "calls")
        if keep:
            self._calls.append(call)
        return outcome

    def _outcome(self, script, kind):
        outcome = _run([TOOLS / "evm-run"], {**script, "errors": sorted(self._errors)})[kind][-1]
        if not outcome["ok"]:
            raise Reverted(outcome.get("error") or outcome["output"] or "without a reason")
        return outcome


class Contract:
    """A deployed contract; an attempt that reverts leaves no trace."""

    def __init__(self, chain, index, address, methods):
        self._chain, self._index, self.address = chain, index, address
        self._methods = {signature.split("(")[0]: (signature, selector) for signature, selector in methods.items()}

    def send(self, method, *values, sender=None, value=0):
        """Calls a method, or pays if it is None; gives the gas it took."""
        return self._chain.call(self._index, self._data(method, values), sender, value, keep=True)["gas"]

    def words(self, method, *values):
        """What a method returns that changes nothing, as words."""
        out = bytes.fromhex(self._chain.call(self._index, self._data(method, values))["output"])
        return [int.from_bytes(out[at:at + 32], "big") for at in range(0, len(out), 32)]

    def number(self, method, *values):
        """A method that returns one integer."""
        [word] = self.words(method, *values)
        return word - (1 << 256) if word >> 255 else word

    def hexadecimal(self, method, *values):
        """A method that returns 32 bytes."""
        [word] = self.words(method, *values)
        return f"0x{word:064x}"

    def _data(self, method, values):
        if method is None:
            return ""
        signature, selector = self._methods[method]
        inner = signature[signature.index("(") + 1:-1]
        return selector + _encode(inner.split(",") if inner else [], values).hex()


def refused(error, contract, method, *values, sender=None):
    """A transaction that must revert with this error."""
    try:
        contract.send(method, *values, sender=sender)
    except Reverted as reverted:
        if str(reverted).split("(")[0] != error:
            raise Unexpected(f"{method} reverted with {reverted}, not with {error}") from None
        return f"{method} is reverted: {reverted}"
    raise Unexpected(f"{method} went through and should have reverted with {error}")


def _signature(entry):
    return f"{entry['name']}({','.join(given['type'] for given in entry['inputs'])})"


def _encode(types, values):
    """Contract ABI of the types that the examples use."""
    if len(types) != len(values):
        raise ValueError(f"{len(types)} arguments are expected, {len(values)} were given")
    # An array of constant length stands in the head.
    lengths = [int(kind[8:-1]) if kind.startswith("uint256[") and kind[8] != "]" else 1 for kind in types]
    head, tail = b"", b""
    for kind, value in zip(types, values):
        if kind in ("bytes", "uint256[]"):
            head += _word(32 * sum(lengths) + len(tail))
            tail += _word(len(value)) + (value + bytes(-len(value) % 32) if kind == "bytes" else b"".join(map(_word, value)))
        else:
            head += b"".join(map(_word, value)) if isinstance(value, list) else _word(value)
    return head + tail


def _word(value):
    if isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x")).rjust(32, b"\0")
    return value.to_bytes(32, "big", signed=value < 0)


def _run(command, request):
    """JSON to a program and back; through files, since the compiler waits for no pipe."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as given, tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        json.dump(request, given)
        given.seek(0)
        process = subprocess.run(command, stdin=given, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
        if process.returncode != 0:
            raise Unexpected(f"{command[0]} failed: {process.stderr}")
        out.seek(0)
        text = out.read()
    # The compiler may greet before it answers.
    return json.loads(text[text.index("{"):])
