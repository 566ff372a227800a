"""A bridge that freezes on a proof that a committed detector finds its outflows strange."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "common"))
from chain import Chain, arguments, compile_contracts, refused, signed  # noqa: E402
from example import check, main, note, say  # noqa: E402

# Above all of 2000 normal days, below all drains of train.py.
THRESHOLD = 0.25
REWARD = 5_000
SETUP = ("--calibrate", "samples.json", "--profile", "evm", "--input", "public")
KEEPER, GUARDIAN, WATCHER, MALLORY = ("0x" + digit * 40 for digit in "fabc")


class Watched:
    """The bridge, its traffic, and proofs about it."""

    def __init__(self, example):
        self.example = example
        made = example.run("setup", "network.onnx", *SETUP, "--out", "keys")
        example.run("evm", "--keys", "keys", "--out", "contract")
        facts = example.run("inspect", "keys/model.vk", quiet=True)
        self.input_bits, self.scale = facts["input_bits"], 2 ** facts["output_bits"]
        compiled = compile_contracts(example.path("contract/Verifier.sol"), example.home / "Bridge.sol")
        chain = Chain()
        verifier = chain.deploy(compiled["TapeoutVerifier"])
        self.bridge = chain.deploy(
            compiled["Bridge"], verifier.address, made["vk_digest"], KEEPER, GUARDIAN, int(THRESHOLD * self.scale),
            self.input_bits, REWARD)
        self.bridge.send(None, value=REWARD)

    def hour(self, tokens):
        self.bridge.send("withdraw", tokens, sender=MALLORY)
        self.bridge.send("endHour", sender=KEEPER)

    def prove(self, watcher, model="network.onnx", keys="keys", flows=None):
        """A proof of the score now, for this watcher; of other outflows than the ledger's where they are given."""
        # Offset and length of the list, then its words.
        flows = flows or [signed(word) / 2**self.input_bits for word in self.bridge.words("input")[2:]]
        self.example.write_input("ledger.json", flows)
        context = self.bridge.hexadecimal("contextOf", watcher)
        self.example.run(
            "prove", model, "--input", "ledger.json", "--keys", keys, "--context", context, "--out", "proof")
        proof, words = arguments(self.example, keys, "proof", context)
        return proof, words[-1]


def story(example):
    flows = example.read_json("outflows.json")

    say("1. The bridge names a detector: keys, with public input, and its verifier as a contract")
    watched = Watched(example)
    bridge = watched.bridge
    note(f"deployed: the verifier, and a bridge that freezes at scores above {THRESHOLD}")

    say("2. A normal day (generated traffic): the watcher proves its score, which freezes nothing")
    for tokens in flows["normal"]:
        watched.hour(tokens)
    quiet = watched.prove(WATCHER)
    note(refused("NotStrange", bridge, "freeze", *quiet, sender=WATCHER))

    say("Cheating: freezing it all the same, with a higher score")
    note(refused("Rejected", bridge, "freeze", quiet[0], int(2 * watched.scale), sender=WATCHER))

    say("Cheating: ... with the score of outflows that it did not have")
    invented = [min(tokens, bridge.number("CAP")) / 1000 for tokens in flows["attack"]]
    note(refused("Rejected", bridge, "freeze", *watched.prove(WATCHER, flows=invented), sender=WATCHER))

    say("Cheating: ... with a detector that finds everything strange, and keys of its own")
    example.run("setup", "nervous.onnx", *SETUP, "--out", "keys2")
    note(refused("Rejected", bridge, "freeze", *watched.prove(WATCHER, "nervous.onnx", "keys2"), sender=WATCHER))

    say("3. On the next day the bridge is drained")
    attack = flows["attack"]
    drained = max(range(len(attack)), key=attack.__getitem__)
    for tokens in attack[:drained + 1]:
        watched.hour(tokens)
    note(f"hour {drained}: {attack[drained]:,} tokens, of which the bridge counts {bridge.number('CAP'):,}")

    say("4. The watcher proves the score of the last 24 hours")
    strange = watched.prove(WATCHER)

    say("Cheating: Mallory sees the transaction and sends it himself, for the reward")
    note(refused("Rejected", bridge, "freeze", *strange, sender=MALLORY))

    say("5. The watcher's own transaction freezes the bridge and is rewarded")
    gas = bridge.send("freeze", *strange, sender=WATCHER)
    check(bridge.number("frozen") == 1, "the bridge is not frozen")
    note(f"Bridge.freeze: frozen, {gas:,} gas")
    note(refused("IsFrozen", bridge, "withdraw", 1, sender=MALLORY))

    say("6. The guardian thaws it; an hour later the old proof freezes nothing")
    note(refused("NotGuardian", bridge, "thaw", sender=MALLORY))
    bridge.send("thaw", sender=GUARDIAN)
    watched.hour(flows["normal"][drained + 1])
    note(refused("Rejected", bridge, "freeze", *strange, sender=WATCHER))


if __name__ == "__main__":
    main(story, __file__)
