#!/usr/bin/env bash
# Proves that LeNet-5 reads a digit as it does, verifies the proof, and shows that two ways to cheat fail.
#
#   examples/demo.sh TAPEOUT        TAPEOUT is the binary, made by `cargo build --release`; `make demo` does both
set -euo pipefail
tapeout=$(realpath "${1:?usage: examples/demo.sh path/to/tapeout}")
cd "$(dirname "$0")/lenet5"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() {
    local shown="${*//$work\//}"
    printf '$ tapeout %s\n' "$shown"
    "$tapeout" "$@" 2>&1
}
# refused CODE ARGUMENTS...: a command that must fail with exactly this exit code.
refused() {
    local expected=$1 code=0
    shift
    run "$@" || code=$?
    printf 'exit code %s\n' "$code"
    [ "$code" -eq "$expected" ] || { printf 'demo: expected exit code %s\n' "$expected" >&2; exit 1; }
}

say "The prover's secret: this image"
python3 - <<'PY'
import json
pixels = json.load(open("input.json"))["input_data"][0]
for row in range(2, 26, 2):
    print("  " + "".join(" .:-=+*#%@"[int(9.99 * pixels[28 * row + column])] for column in range(28)))
PY

say "1. Once per model: keys"
run setup network.onnx --calibrate samples.json --out "$work/keys"

say "2. The prover runs the network and proves the scores of the ten digits, without showing the image"
run prove network.onnx --input input.json --keys "$work/keys" --out "$work/proof" --predict

say "3. Anyone verifies (this key's reference string is one for trying things out)"
run verify "$work/proof" --vk "$work/keys/model.vk" --insecure-dev

say "4. The prover claims another digit: the same proof, the scores of 1 and 2 exchanged"
"$tapeout" verify "$work/proof" --vk "$work/keys/model.vk" --insecure-dev --json 2>/dev/null >"$work/verified.json"
python3 - "$work" <<'PY'
import json, sys
scores = json.load(open(sys.argv[1] + "/verified.json"))["outputs"]
scores[1], scores[2] = scores[2], scores[1]
json.dump({"outputs": scores}, open(sys.argv[1] + "/claimed.json", "w"))
PY
refused 1 verify "$work/proof" --vk "$work/keys/model.vk" --insecure-dev --outputs "$work/claimed.json"

say "5. A proof with one byte cut off"
head -c -1 "$work/proof" >"$work/cut"
refused 2 verify "$work/cut" --vk "$work/keys/model.vk" --insecure-dev

say "All as it should be: the proof verifies, both attempts were refused."
