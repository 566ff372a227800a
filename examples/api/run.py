"""A service whose every answer comes with a proof that the committed model gave it; dishonest services are noticed by the client."""

import json
import pathlib
import secrets
import subprocess
import sys
import threading
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "common"))
from example import check, main, note, refusal, say, short  # noqa: E402
from server import Service  # noqa: E402


class Altering(Service):
    """Says another cultivar than it has proven."""

    def answer(self, request):
        answer = super().answer(request)
        return {**answer, "outputs": answer["outputs"][::-1]}


class Elsewhere(Service):
    """Answers for another wine: it has the answer to that one, say."""

    def answer(self, request):
        changed = [[value * 1.01 for value in request["input_data"][0]]]
        return super().answer({**request, "input_data": changed})


class Replaying(Service):
    """Gives its first answer again and again."""

    first = None

    def answer(self, request):
        self.first = self.first or super().answer(request)
        return self.first


class Unproven(Service):
    """Hopes that nobody looks at the proof."""

    def answer(self, request):
        return {**super().answer(request), "proof": "AAAA"}


class Running:
    """A service in a thread of its own."""

    def __init__(self, example, kind, model="network.onnx", keys="keys"):
        self.service = kind(example.tapeout, example.path(model), example.path(keys))

    def __enter__(self):
        threading.Thread(target=self.service.serve_forever, daemon=True).start()
        return self.service.url

    def __exit__(self, *_):
        self.service.shutdown()
        self.service.server_close()


def ask(example, url, model_hash, expected=0, because=""):
    """Runs the client, which must end with this exit code, and gives what it printed."""
    command = ["client.py", example.tapeout, url, "input.json", "--vk", "trusted.vk", "--model-hash", model_hash]
    print(f"$ python3 client.py tapeout {url} input.json --vk trusted.vk --model-hash {short(model_hash)}", flush=True)
    process = subprocess.run(
        [sys.executable, example.home / "client.py", *map(str, command[1:])],
        cwd=example.folder, capture_output=True, text=True, check=False)
    said = (process.stdout or process.stderr).strip()
    check(process.returncode == expected, f"the client ended with exit code {process.returncode}, not {expected}: {said}")
    check(because in said, f"the client refused for another reason: {said}")
    if expected:
        refusal(expected, said)
    return said


def story(example):
    say("1. The service makes a reference string and keys, with public input and hidden weights, and publishes string and verifying key")
    example.run("srs", "--g1", "4096", "--out", "srs")
    setup = ("--calibrate", "samples.json", "--srs", "srs", "--input", "public", "--weights", "private")
    example.path("secret").write_text(secrets.token_hex(32), encoding="utf-8")
    made = example.run("setup", "network.onnx", *setup, "--weights-secret", "secret", "--out", "keys")

    say("2. An auditor, who was shown the model and the secret, makes the keys again: they are the same, so the key stands for that model")
    audited = example.run("setup", "network.onnx", *setup, "--weights-secret", "secret", "--out", "audited")
    check(audited["vk_digest"] == made["vk_digest"], "setup is not repeatable")
    example.path("trusted.vk").write_bytes(example.path("audited/model.vk").read_bytes())
    model_hash = audited["model_hash"]
    say("... and whoever has seen neither checks that the key is of a network of these layers, whatever its weights are")
    example.run("verify-weights", "keys/model.cert", "--vk", "keys/model.vk")

    say("3. A client, who has the key from the auditor, asks and believes the answer")
    with Running(example, Service) as url:
        answer = json.loads(ask(example, url, model_hash))
        expected = example.read_json("input.json")["output_data"][0]
        check(all(abs(got - want) < 1e-3 for got, want in zip(answer["outputs"], expected)), "the answer is not onnxruntime's")
        cultivars = ", ".join(f"{value:.1%}" for value in answer["outputs"])
        note(f"cultivars: {cultivars}; checked: {', '.join(answer['checked'])}")
        say("What is no request is refused")
        for body in (b"{}", b"no JSON", b'{"input_data": [[1, 2]], "context": "' + b"0" * 64 + b'"}'):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{url}/predict", body), timeout=60)
                check(False, "the service answered to what is no request")
            except urllib.error.HTTPError as error:
                check(error.code == 400, f"HTTP status {error.code}")
                note(f"HTTP 400: {json.loads(error.read())['error']}")

    say("A competitor guesses all of the weights: without the secret its key says nothing about the guess")
    guessed = example.run("setup", "network.onnx", *setup, "--out", "guessed")
    check(guessed["vk_digest"] != made["vk_digest"] and guessed["model_hash"] != made["model_hash"], "the key confirms a guess")

    say("Cheating: the service says another cultivar than it has proven")
    with Running(example, Altering) as url:
        ask(example, url, model_hash, 1, "does not hold")

    say("Cheating: ... proves the answer to another wine")
    with Running(example, Elsewhere) as url:
        ask(example, url, model_hash, 1, "the input is another one")

    say("Cheating: ... gives an answer that it gave before, to the same wine")
    with Running(example, Replaying) as url:
        ask(example, url, model_hash)
        ask(example, url, model_hash, 1, "does not hold")

    say("Cheating: ... runs a cheaper model, with keys of its own")
    example.run("setup", "cheap.onnx", *setup, "--out", "cheap")
    with Running(example, Service, "cheap.onnx", "cheap") as url:
        ask(example, url, model_hash, 1, "key")

    say("Cheating: ... sends something that is no proof")
    with Running(example, Unproven) as url:
        ask(example, url, model_hash, 2)


if __name__ == "__main__":
    main(story, __file__)
