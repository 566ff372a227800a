"""A service that answers with a proof: POST /predict runs the model on what is sent and proves the answer.

    python3 server.py TAPEOUT MODEL KEYS [PORT]

A request is {"input_data": [[...]], "context": HEX}; the answer {"outputs": [...], "proof": BASE64}, where the proof is
bound to the context that the client chose. GET /key gives the verifying key, for clients that compare its digest with
one that they trust.
"""

import base64
import http.server
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# No request of this model is longer.
LIMIT = 65_536


class Refusal(Exception):
    """What is wrong with a request."""


class Service(http.server.ThreadingHTTPServer):
    """The model behind an address; answers are made by `tapeout prove`."""

    def __init__(self, tapeout, model, keys, port=0):
        self.tapeout, self.model, self.keys = (str(pathlib.Path(path).resolve()) for path in (tapeout, model, keys))
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request):
        """What /predict answers."""
        if not isinstance(request, dict) or set(request) != {"input_data", "context"}:
            raise Refusal('expected {"input_data": [[...]], "context": HEX}')
        if not isinstance(request["context"], str) or not re.fullmatch("[0-9a-f]{64}", request["context"]):
            raise Refusal("a context is 32 bytes in hexadecimal")
        with tempfile.TemporaryDirectory() as folder:
            given, proof = pathlib.Path(folder, "input.json"), pathlib.Path(folder, "proof")
            given.write_text(json.dumps({"input_data": request["input_data"]}), encoding="utf-8")
            command = [
                self.tapeout, "--json", "prove", self.model, "--input", given, "--keys", self.keys,
                "--context", request["context"], "--out", proof]
            process = subprocess.run(
                command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            report = json.loads(process.stdout or "{}")
            if process.returncode != 0:
                # The folder's name is nobody's business.
                raise Refusal(str(report.get("error", "no proof could be made")).replace(f"{folder}/", ""))
            return {"outputs": report["outputs"], "proof": base64.b64encode(proof.read_bytes()).decode()}


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 30

    def do_GET(self):
        if self.path == "/key":
            self._send(200, pathlib.Path(self.server.keys, "model.vk").read_bytes(), "application/octet-stream")
        else:
            self._json(404, {"error": "there are GET /key and POST /predict"})

    def do_POST(self):
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if self.path != "/predict":
            self._json(404, {"error": "there are GET /key and POST /predict"})
        elif not 0 < length <= LIMIT:
            self._json(413, {"error": f"expected a request of at most {LIMIT} bytes"})
        else:
            try:
                self._json(200, self.server.answer(json.loads(self.rfile.read(length))))
            except (ValueError, Refusal) as error:
                self._json(400, {"error": str(error)})

    def _json(self, status, value):
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Requests hold the clients' data: none is logged."""


def main():
    if len(sys.argv) not in (4, 5):
        raise SystemExit(__doc__)
    with Service(*sys.argv[1:4], int(sys.argv[4]) if len(sys.argv) == 5 else 0) as service:
        print(f"{service.url}/predict", flush=True)
        service.serve_forever()


if __name__ == "__main__":
    main()
