// Opens the page in headless Chromium, without a network, and verifies with it: test.mjs PAGE VECTORS
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [page, vectorFile] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "tapeout-web-"));

/** Chromium, spoken to over the DevTools protocol on two pipes: messages end with a zero byte. */
function chromium() {
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", `--user-data-dir=${folder}/profile`];
  const program = process.env.CHROMIUM ?? "chromium";
  const browser = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const waiting = new Map();
  const heard = [];
  let [next, rest] = [1, ""];
  browser.on("error", (error) => { console.error(`cannot run ${program}: ${error.message}`); process.exit(1); });
  browser.stdio[4].setEncoding("utf8").on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    for (const message of messages.map((m) => JSON.parse(m))) {
      const done = waiting.get(message.id);
      if (!done) { heard.push(message); continue; }
      waiting.delete(message.id);
      message.error ? done.reject(new Error(message.error.message)) : done.resolve(message.result);
    }
  });
  const send = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
    waiting.set(next, { resolve, reject });
    browser.stdio[3].write(`${JSON.stringify({ id: next++, method, params, sessionId })}\0`);
  });
  const gone = new Promise((done) => browser.on("exit", done));
  return { send, heard, stop: () => { browser.kill(); return gone; } };
}

const { send, heard, stop } = chromium();
try {
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const tab = (method, params) => send(method, params, sessionId);
  const run = async (expression) => {
    const { result, exceptionDetails } = await tab("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    assert.ok(!exceptionDetails, exceptionDetails?.exception?.description);
    return result.value;
  };
  const until = async (expression) => {
    for (let i = 0; i < 600; i++) {
      if (await run(expression)) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    assert.fail(`waited in vain for ${expression}`);
  };
  await tab("Network.enable");
  await tab("Network.emulateNetworkConditions", { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 });
  await tab("DOM.enable");
  await tab("Page.enable");
  await tab("Page.navigate", { url: pathToFileURL(resolve(page)).href });
  await until("window.tapeout !== undefined");

  // The sample, by its button.
  const shown = () => run("[document.getElementById('verdict').textContent, document.getElementById('facts').textContent]");
  await run("document.getElementById('sample').click()");
  let [verdict, facts] = await shown();
  assert.equal(verdict, "The proof verifies.");
  assert.match(facts, /Model \(keccak256\)[0-9a-f]{64}/);
  assert.match(facts, /INSECURE: made for development/);
  assert.match(facts, /Time[0-9.]+ ms/);

  // Files, by the pickers: the right proof, then one with a bit changed.
  const sample = (name) => new URL(`sample/${name}`, import.meta.url);
  const forged = readFileSync(sample("proof"));
  forged[forged.length - 1] ^= 1;
  writeFileSync(join(folder, "forged"), forged);
  const pick = async (id, file) => {
    const { root } = await tab("DOM.getDocument");
    const { nodeId } = await tab("DOM.querySelector", { nodeId: root.nodeId, selector: `#${id}` });
    await tab("DOM.setFileInputFiles", { nodeId, files: [file] });
  };
  const verifyFiles = async (proof) => {
    await pick("key", sample("model.vk").pathname);
    await pick("proof", proof);
    await run("document.getElementById('verdict').textContent = ''; document.querySelector('button[type=submit]').click()");
    await until("document.getElementById('verdict').textContent !== ''");
    return (await shown())[0];
  };
  assert.equal(await verifyFiles(sample("proof").pathname), "The proof verifies.");
  assert.match(await verifyFiles(join(folder, "forged")), /^Refused: /);
  assert.match(await verifyFiles(sample("model.vk").pathname), /^Refused: .*not a proof file/);

  // The vectors that the native verifier and the contracts are tested with.
  const { keys, proofs, vectors } = JSON.parse(readFileSync(vectorFile, "utf8"));
  const bytes = (hex) => `Uint8Array.from(${JSON.stringify([...Buffer.from(hex, "hex")])})`;
  let refused = 0;
  for (const { name, key, proof, at, removed, inserted, context, reason } of vectors) {
    const base = proofs[proof];
    const file = base.slice(0, 2 * at) + inserted + base.slice(2 * (at + removed));
    const got = await run(`tapeout.show(${bytes(keys[key])}, ${bytes(file)}, "${context}")`);
    assert.equal(got.accepted, reason === null, `${name}: ${got.reason}`);
    if (reason !== null) assert.equal(got.reason, reason, name);
    refused += reason !== null;
  }

  const times = await run(`(() => {
    const once = () => tapeout.show(tapeout.sample.key, tapeout.sample.proof, "").milliseconds;
    return Array.from({ length: 21 }, once).slice(1).sort((a, b) => a - b);
  })()`);
  const asked = heard.filter(({ method, params }) => method === "Network.requestWillBeSent" && !/^(file|data|about):/.test(params.request.url));
  assert.deepEqual(asked, [], "the page asked the network for something");
  console.log(`page: ${vectors.length} vectors, ${refused} refused; verification of the sample: median ${times[10].toFixed(1)} ms, least ${times[0].toFixed(1)} ms`);
} finally {
  await stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
