"""A loan that a contract pays out on a proof of the applicant's score; the applicant's features stay secret."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "common"))
from chain import Chain, R, Reverted, arguments, compile_contracts, refused  # noqa: E402
from example import check, main, note, say  # noqa: E402

# In log-odds of paying back: of the applicants above it, nine in ten did (train.py).
THRESHOLD = 1.5
LOAN = 1_000_000
SETUP = ("--calibrate", "samples.json", "--profile", "evm", "--input", "committed")
BUREAU, ADA, BEN, MALLORY = ("0x" + digit * 40 for digit in "beac")


def prove(example, applicant, context, *opening, features=None, model="network.onnx", keys="keys"):
    """A proof of an applicant's score, and what a transaction takes of it."""
    proof = f"{applicant}.proof"
    features = features or f"{applicant}.json"
    example.run("prove", model, "--input", features, "--keys", keys, *opening, "--context", context, "--out", proof)
    return arguments(example, keys, proof, context)


def story(example):
    samples = example.read_json("samples.json")["samples"]
    example.write_input("ada.json", samples[0])
    example.write_input("ben.json", samples[1])

    say("1. The lender makes keys for the model, with committed input, and writes its verifier as a contract")
    made = example.run("setup", "network.onnx", *SETUP, "--out", "keys")
    example.run("evm", "--keys", "keys", "--out", "contract")
    scale = 2 ** example.run("inspect", "keys/model.vk", quiet=True)["output_bits"]
    compiled = compile_contracts(example.path("contract/Verifier.sol"), example.home / "Lending.sol")
    chain = Chain()
    verifier = chain.deploy(compiled["TapeoutVerifier"])
    new = [verifier.address, made["vk_digest"], BUREAU, int(THRESHOLD * scale), LOAN]
    lending = chain.deploy(compiled["Lending"], *new)
    elsewhere = chain.deploy(compiled["Lending"], *new)
    lending.send(None, value=2 * LOAN)
    note(f"deployed: the verifier, and a lender that pays for scores above {THRESHOLD}")

    say("2. The bureau commits to what it knows of Ada and Ben, registers that, and gives each of them their opening")
    commitments = {}
    for name, address in (("ada", ADA), ("ben", BEN)):
        report = example.run("commit", "--input", f"{name}.json", "--keys", "keys", "--out", f"{name}.opening")
        commitments[address] = bytes.fromhex(report["commitment"])
        lending.send("register", address, commitments[address], sender=BUREAU)

    say("3. Ada proves her score for this contract and herself, and is paid")
    context = lending.hexadecimal("contextOf", ADA)
    ada = prove(example, "ada", context, "--input-opening", "ada.opening")
    gas = lending.send("claim", *ada, sender=ADA)
    note(f"Lending.claim: paid, {gas:,} gas")

    say("Cheating: a second time")
    note(refused("AlreadyPaid", lending, "claim", *ada, sender=ADA))

    say("Cheating: Mallory sees Ada's transaction and sends it himself")
    note(refused("Rejected", lending, "claim", *ada, sender=MALLORY))

    say("Cheating: Ada sends it to another lender of the same kind")
    elsewhere.send("register", ADA, commitments[ADA], sender=BUREAU)
    note(refused("Rejected", elsewhere, "claim", *ada, sender=ADA))

    say("Ben's score is too low, and his proof says so")
    context = lending.hexadecimal("contextOf", BEN)
    proof, [score] = prove(example, "ben", context, "--input-opening", "ben.opening")
    note(refused("ScoreTooLow", lending, "claim", proof, [score], sender=BEN))

    say("Cheating: Ben claims a higher score")
    note(refused("Rejected", lending, "claim", proof, [int(3 * scale)], sender=BEN))

    say("Cheating: ... or one that is out of every score's range, and would count as a large number")
    note(refused("PublicRange", lending, "claim", proof, [R // 2], sender=BEN))

    say("Cheating: Ben proves the score of Ada's features, under a commitment of his own")
    note(refused("OtherFeatures", lending, "claim", *prove(example, "ben", context, features="ada.json"), sender=BEN))

    say("Cheating: Ben takes a model that gives everybody a good score, with keys of its own")
    example.run("setup", "generous.onnx", *SETUP, "--out", "keys2")
    note(refused("Rejected", lending, "claim", *prove(example, "ben", context, model="generous.onnx", keys="keys2"), sender=BEN))

    say("Cheating: a lender is deployed with that model's verifier under this model's name")
    example.run("evm", "--keys", "keys2", "--out", "contract2")
    generous = chain.deploy(compile_contracts(example.path("contract2/Verifier.sol"))["TapeoutVerifier"])
    try:
        chain.deploy(compiled["Lending"], generous.address, *new[1:])
        check(False, "the lender took the verifier of another model")
    except Reverted as reverted:
        note(f"not deployed: {reverted}")


if __name__ == "__main__":
    main(story, __file__)
