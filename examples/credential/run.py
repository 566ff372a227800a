"""A credential is moved to a new template of the scan that was committed to when it was issued.

There is no new scan, and nobody sees the old one.
"""

import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "common"))
from example import check, main, note, say  # noqa: E402

# Templates that differ in no more bits are of one finger (train.py: the rates of errors of both kinds are equal there).
LIMITS = {1: 4, 2: 8}


def context(name, version):
    """What a proof for the registry is bound to: whose credential, and which version."""
    return hashlib.sha256(f"registry of examples/credential, {name}, version {version}".encode()).hexdigest()


def shown(template):
    return "".join(str(round(bit)) for bit in template)


def distance(one, other):
    return sum(round(a) != round(b) for a, b in zip(one, other))


class Registry:
    """What the registry keeps of each person: the commitment to the scan, from the sensor, and a template."""

    def __init__(self, example):
        self.example, self.people, self.models = example, {}, {}

    def publish(self, version):
        """A version of the template: its model and keys, under the reference string of all versions."""
        made = self.example.run(
            "setup", f"network_v{version}.onnx", "--calibrate", "samples.json", "--srs", "srs", "--input", "committed",
            "--out", f"keys{version}")
        self.models[version] = made["model_hash"]

    def expected(self, name, version, commitment):
        """The arguments of `tapeout verify` that say what this credential's proof must be about."""
        return (
            "--vk", f"keys{version}/model.vk", "--model-hash", self.models[version], "--input-commitment", commitment,
            "--context", context(name, version))

    def enrol(self, name, commitment, proof):
        """A new person, unless the finger has a credential."""
        template = self.example.run("verify", proof, *self.expected(name, 1, commitment))["outputs"]
        for other, person in self.people.items():
            if distance(template, person["template"]) <= LIMITS[1]:
                return f"refused: the finger has a credential, {other}'s"
        self.people[name] = {"commitment": commitment, "template": template}
        return f"{name} is enrolled with the template {shown(template)}"

    def upgrade(self, name, proof):
        """The person's template becomes that of version 2, of the same scan."""
        person = self.people[name]
        person["template"] = self.example.run("verify", proof, *self.expected(name, 2, person["commitment"]))["outputs"]
        return f"{name}'s template is now {shown(person['template'])}"


def scan(example, name):
    """The sensor scans a finger, commits to the scan and signs the commitment; the person keeps scan and opening."""
    return example.run("commit", "--input", f"{name}.json", "--keys", "keys1", "--out", f"{name}.opening")["commitment"]


def prove(example, name, version, account=None, out="proof", quiet=False):
    """A proof of a template of a person's scan."""
    example.run(
        "prove", f"network_v{version}.onnx", "--input", f"{name}.json", "--keys", f"keys{version}",
        "--input-opening", f"{name}.opening", "--context", context(account or name, version), "--out", out, quiet=quiet)


def story(example):
    data = example.read_json("samples.json")
    # Two scans of one finger, and one of another.
    for name, values in (("ada", data["samples"][0]), ("ada-again", data["samples"][1]), ("eve", data["samples"][2])):
        example.write_input(f"{name}.json", values)
    side = data["side"]
    say("Ada's secret: a scan of her finger (generated)")
    for row in range(0, side, 2):
        values = data["samples"][0][row * side:(row + 1) * side]
        note("".join(" .:-=+*#%@"[int(4.99 * (1 - value))] * 2 for value in values))

    say("1. The registry publishes version 1 of its template, with committed input")
    example.run("srs", "--g1", "16384", "--out", "srs")
    registry = Registry(example)
    registry.publish(1)

    say("2. Ada and Eve are scanned and enrolled: the sensor commits, they prove their templates")
    for name in ("ada", "eve"):
        commitment = scan(example, name)
        prove(example, name, 1)
        note(registry.enrol(name, commitment, "proof"))

    say("Cheating: Ada enrols once more, under another name, with another scan of the same finger")
    commitment = scan(example, "ada-again")
    prove(example, "ada-again", 1, account="ann")
    refusal = registry.enrol("ann", commitment, "proof")
    check(refusal.startswith("refused"), "one finger has two credentials")
    note(refusal)

    say("3. Years later: version 2, under the same reference string")
    registry.publish(2)

    say("4. Ada proves the new template of the scan that she was enrolled with")
    prove(example, "ada", 2, out="upgrade")
    note(registry.upgrade("ada", "upgrade"))

    say("5. At a door, a new scan of Ada's finger matches it, and Eve's does not")
    for name, same in (("ada-again", True), ("eve", False)):
        scanned = example.run("run", "network_v2.onnx", "--input", f"{name}.json", "--keys", "keys2", quiet=True)
        template = scanned["outputs"]
        bits = distance(template, registry.people["ada"]["template"])
        check((bits <= LIMITS[2]) == same, f"{name} is taken for somebody else")
        note(f"{name}: {bits} of {len(template)} bits differ, {'a match' if same else 'no match'}")

    say("Cheating: Eve takes Ada's credential over, with a proof about her own scan")
    adas = registry.expected("ada", 2, registry.people["ada"]["commitment"])
    prove(example, "eve", 2, account="ada")
    example.refused(1, "verify", "proof", *adas, because="the input commitment is")

    say("Cheating: ... with her own scan under Ada's opening, which she has stolen")
    example.refused(
        2, "prove", "network_v2.onnx", "--input", "eve.json", "--keys", "keys2", "--input-opening", "ada.opening",
        "--context", context("ada", 2), "--out", "proof", because="the opening is of another input")

    say("Cheating: one bit of the template is changed")
    template = list(registry.people["ada"]["template"])
    template[0] = 1 - template[0]
    example.write_json("claimed.json", {"outputs": template})
    example.refused(1, "verify", "upgrade", *adas, "--outputs", "claimed.json", because="does not hold")

    say("Cheating: Eve sends Ada's proof for her own credential")
    eves = registry.expected("eve", 2, registry.people["eve"]["commitment"])
    example.refused(1, "verify", "upgrade", *eves, because="does not hold")

    say("Cheating: the old version's template is passed off as the new one's")
    prove(example, "ada", 1)
    example.refused(1, "verify", "proof", *adas, because="key")

    say("6. The prover counts, refused attempts too: a commitment can be in seven proofs, and after three more it has been")
    for _ in range(3):
        prove(example, "ada", 2, quiet=True)
    example.refused(
        2, "prove", "network_v2.onnx", "--input", "ada.json", "--keys", "keys2", "--input-opening", "ada.opening",
        "--context", context("ada", 2), "--out", "proof", because="commit anew")


if __name__ == "__main__":
    main(story, __file__)
