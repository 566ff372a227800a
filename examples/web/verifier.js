// The verifier's WebAssembly module as two functions on byte arrays. No imports, no network.

/** @param {BufferSource} module the module's bytes */
export async function instantiate(module) {
  const { instance } = await WebAssembly.instantiate(module);
  const { memory, reserve, release, load_key, check_proof } = instance.exports;

  /** Copies byte arrays into the module's memory, calls `ask` with their addresses, and reads its JSON answer. */
  function call(arrays, ask) {
    const places = arrays.map((bytes) => reserve(bytes.length));
    // `reserve` may grow the memory, which detaches older views of it.
    arrays.forEach((bytes, i) => new Uint8Array(memory.buffer, places[i], bytes.length).set(bytes));
    const packed = BigInt.asUintN(64, ask(...places));
    const [at, length] = [Number(packed >> 32n), Number(packed & 0xffffffffn)];
    const text = new TextDecoder().decode(new Uint8Array(memory.buffer, at, length));
    release(at, length);
    arrays.forEach((bytes, i) => release(places[i], bytes.length));
    const answer = JSON.parse(text);
    if ("error" in answer) throw new Error(answer.error);
    return answer.ok;
  }

  return {
    /** Loads a verifying key and says what it is for; throws the reason where it cannot be read. */
    loadKey: (key) => call([key], (at) => load_key(at, key.length)),
    /** Verifies a proof file, bound to 32 bytes of context; throws the reason where it is refused. */
    checkProof: (proof, context = new Uint8Array(32)) =>
      call([proof, context], (at, contextAt) => check_proof(at, proof.length, contextAt)),
  };
}
