"""A trading strategy with a record that a contract keeps.

Each decision is proven to be the committed model's, on the contract's own prices.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "common"))
from chain import Chain, arguments, compile_contracts, refused, signed  # noqa: E402
from example import check, main, note, say  # noqa: E402

FEED = "0x" + "f" * 40
SETUP = ("--calibrate", "samples.json", "--profile", "evm", "--input", "public", "--weights", "private")
NAMES = {-1: "short", 0: "flat", 1: "long"}


class Market:
    """The record, the prices that come, and the manager's proofs."""

    def __init__(self, example):
        self.example = example
        self.closes = iter(example.read_json("prices.json")["closes"])
        made = example.run("setup", "network.onnx", *SETUP, "--out", "keys")
        example.run("evm", "--keys", "keys", "--out", "contract")
        self.bits = example.run("inspect", "keys/model.vk", quiet=True)["input_bits"]
        compiled = compile_contracts(example.path("contract/Verifier.sol"), example.home / "StrategyRecord.sol")
        chain = Chain()
        verifier = chain.deploy(compiled["TapeoutVerifier"])
        self.record = chain.deploy(compiled["StrategyRecord"], verifier.address, made["vk_digest"], FEED, self.bits)

    def post(self):
        close = next(self.closes)
        self.record.send("post", close, sender=FEED)
        return close

    def prove(self, model="network.onnx", keys="keys", closes=None, quiet=True):
        """A proof for today, and the three outputs; of returns that the contract does not have where `closes` are given."""
        if closes:
            returns = [100 * (after - before) / before for before, after in zip(closes, closes[1:])]
        else:
            # Offset and length, then the words.
            words = self.record.words("input")[2:]
            returns = [signed(word) / 2**self.bits for word in words]
        self.example.write_input("today.json", returns)
        context = self.record.hexadecimal("context")
        self.example.run(
            "prove", model, "--input", "today.json", "--keys", keys, "--context", context, "--out", "proof", quiet=quiet)
        proof, words = arguments(self.example, keys, "proof", context)
        return proof, words[-3:]


def story(example):
    say("1. The manager commits to a strategy: keys, with public input and hidden weights, and its verifier as a contract")
    market = Market(example)
    record = market.record
    note("deployed: the verifier, and a record that takes decisions of this model alone")
    say("... and followers check that the key is of a network of these layers, whatever its weights are")
    example.run("verify-weights", "keys/model.cert", "--vk", "keys/model.vk")

    say("2. A price feed posts the first 17 closes (generated prices)")
    for _ in range(17):
        close = market.post()
    note(f"close {close / 100:.2f}; the contract makes the model's input of them: StrategyRecord.input")

    say("3. Day after day the manager proves the decision, and the contract takes it before the next price is known")
    yesterday = None
    for day in range(5):
        proof, outputs = market.prove(quiet=day > 0)
        gas = record.send("decide", proof, outputs)
        position = record.number("position")
        largest = max(range(3), key=lambda which: signed(outputs[which]))
        check(position == largest - 1, "the contract took another decision")
        yesterday = proof, outputs
        close = market.post()
        note(f"{NAMES[position]:5}   next close {close / 100:.2f}   record {record.number('equity') / 1e18:.4f}   ({gas:,} gas)")

    say("Cheating: the same decision again, when the price is known")
    note(refused("Rejected", record, "decide", *yesterday))

    say("Cheating: the right proof with another decision")
    proof, outputs = market.prove()
    note(refused("Rejected", record, "decide", proof, outputs[::-1]))

    say("Cheating: another strategy, with keys of its own")
    example.run("setup", "contrary.onnx", *SETUP, "--out", "keys2")
    note(refused("Rejected", record, "decide", *market.prove("contrary.onnx", "keys2")))

    say("Cheating: the strategy on prices that never were")
    note(refused("Rejected", record, "decide", *market.prove(closes=[10_000 + 50 * day for day in range(17)])))

    say("Cheating: deciding twice in a day")
    record.send("decide", proof, outputs)
    note(refused("AlreadyDecided", record, "decide", proof, outputs))
    market.post()

    say("Keeping silent on a bad day is seen")
    market.post()
    check((record.number("decisions"), record.number("silences")) == (6, 1), "the record counts wrongly")
    note(f"6 decisions, 1 day without one, record {record.number('equity') / 1e18:.4f}")


if __name__ == "__main__":
    main(story, __file__)
