// Puts module, sample and page into one file that a browser opens without a network: build.mjs WASM OUT
import { readFileSync, writeFileSync } from "node:fs";

const [wasm, out] = process.argv.slice(2);
const here = (name) => new URL(name, import.meta.url);
const base64 = (path) => readFileSync(path).toString("base64");
const parts = {
  VERIFIER: readFileSync(here("verifier.js"), "utf8").replace("export async function", "async function"),
  WASM: base64(wasm),
  SAMPLE_KEY: base64(here("sample/model.vk")),
  SAMPLE_PROOF: base64(here("sample/proof")),
};
const page = readFileSync(here("page.html"), "utf8");
writeFileSync(out, page.replace(/\/\*([A-Z_]+)\*\//g, (_, name) => parts[name]));
