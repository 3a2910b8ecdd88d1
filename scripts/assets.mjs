// Gives the files in <site>/pkg names with a hash of their content, writes hash.txt as Leptos reads it, and puts
// precompressed copies beside every file that is worth it.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const site = process.argv[2];
const pkg = join(site, "pkg");
const COMPRESSIBLE = new Set([".css", ".ico", ".js", ".json", ".svg", ".wasm", ".webmanifest"]);

function rename(extension) {
    const from = join(pkg, `holdfast.${extension}`);
    const hash = createHash("sha256").update(readFileSync(from)).digest("base64url").slice(0, 22);
    renameSync(from, join(pkg, `holdfast.${hash}.${extension}`));
    return hash;
}

const wasm = rename("wasm");
// The script's own default address of the module must hold too, though Leptos passes the address.
const script = join(pkg, "holdfast.js");
writeFileSync(script, readFileSync(script, "utf8").replaceAll("holdfast_bg.wasm", `holdfast.${wasm}.wasm`));
const hashes = { js: rename("js"), wasm, css: rename("css") };
writeFileSync(join(site, "hash.txt"), Object.entries(hashes).map(([kind, hash]) => `${kind}: ${hash}\n`).join(""));

for (const entry of readdirSync(site, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !COMPRESSIBLE.has(extname(entry.name))) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const content = readFileSync(file);
    writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
    const quality = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    writeFileSync(`${file}.br`, brotliCompressSync(content, { params: quality }));
}
