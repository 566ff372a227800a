"""Asks the service and believes no answer without a proof.

    python3 client.py TAPEOUT URL INPUT.json --vk KEY --model-hash HEX

The key is the client's own copy, of the model that it trusts. Each request has a context of its own, so that an answer
to another request is none to this one. Exit codes as tapeout's: 0 the answer is proven, 1 it is not, 2 there is no
answer.
"""

import argparse
import base64
import binascii
import json
import pathlib
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request


def ask(url, request):
    """The service's answer: its outputs, and the bytes of its proof."""
    body = json.dumps(request).encode()
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.loads(response.read())
        return answer["outputs"], base64.b64decode(answer["proof"], validate=True)
    except urllib.error.HTTPError as error:
        raise SystemExit(fail(f"the service refuses: {error.read().decode(errors='replace')}")) from None
    except (OSError, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise SystemExit(fail(f"no answer: {error}")) from None


def fail(message):
    print(message, file=sys.stderr)
    return 2


def main():
    parser = argparse.ArgumentParser(description="asks the service and believes no answer without a proof")
    parser.add_argument("tapeout")
    parser.add_argument("url")
    parser.add_argument("input", type=pathlib.Path)
    parser.add_argument("--vk", required=True)
    parser.add_argument("--model-hash", required=True)
    options = parser.parse_args()
    context = secrets.token_hex(32)
    given = json.loads(options.input.read_text(encoding="utf-8"))["input_data"]
    outputs, proof = ask(options.url, {"input_data": given, "context": context})
    with tempfile.TemporaryDirectory() as folder:
        proof_file, claim_file = pathlib.Path(folder, "proof"), pathlib.Path(folder, "claim.json")
        proof_file.write_bytes(proof)
        claim_file.write_text(json.dumps({"outputs": outputs}), encoding="utf-8")
        command = [
            options.tapeout, "--json", "verify", proof_file, "--insecure-dev", "--vk", options.vk, "--model-hash", options.model_hash,
            "--input", options.input, "--outputs", claim_file, "--context", context]
        process = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    report = json.loads(process.stdout or "{}")
    if process.returncode != 0:
        print(report.get("reason") or report.get("error") or process.stderr)
        return process.returncode
    print(json.dumps({"outputs": report["outputs"], "checked": report["checked"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
