// Gives the files in <site>/pkg names with a hash of their content, writes hash.txt and the list of parts as Leptos reads
// them, and puts precompressed copies beside every file that is worth it.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const site = process.argv[2];
const pkg = join(site, "pkg");
const COMPRESSIBLE = new Set([".css", ".ico", ".js", ".json", ".svg", ".wasm", ".webmanifest"]);

const text = (name) => readFileSync(join(pkg, name), "utf8");

function digest(...contents) {
    const hash = createHash("sha256");
    for (const content of contents) hash.update(content);
    return hash.digest("base64url").slice(0, 22);
}

/** Puts the hash of a file's content into its name. */
function rename(name) {
    const hash = digest(readFileSync(join(pkg, name)));
    const [stem, extension] = name.split(".");
    renameSync(join(pkg, name), join(pkg, `${stem}.${hash}.${extension}`));
    return hash;
}

/** Writes a file under a name with a hash, instead of the one without. */
function replace(stem, hash, extension, content) {
    rmSync(join(pkg, `${stem}.${extension}`), { force: true });
    writeFileSync(join(pkg, `${stem}.${hash}.${extension}`), content);
}

/** Names the parts that are loaded on demand, in the script that loads them. */
function renameParts(loader) {
    const parts = readdirSync(pkg).filter((name) => /^(split|chunk)_\w+\.wasm$/.test(name));
    for (const part of parts) {
        const stem = part.replace(".wasm", "");
        loader = loader.replaceAll(`"./${part}"`, `"./${stem}.${rename(part)}.wasm"`);
    }
    return loader;
}

/** For each function that is loaded on demand, the parts that it takes; pages name them in advance. */
function partsOf(loader) {
    const file = /"\.\/((?:split|chunk)_[\w.-]+)\.wasm"/;
    const shared = new Map();
    const needed = {};
    for (const block of loader.split(/^(?=const |export const )/m)) {
        const [, chunk] = block.match(/^const (__chunk_\d+) = makeLoad/) ?? [];
        const [, part] = block.match(/^export const __wasm_split_load_(\w+) = /) ?? [];
        const path = block.match(file)?.[1];
        if (chunk) shared.set(chunk, path);
        if (part) needed[part] = [...(block.match(/__chunk_\d+/g) ?? []).map((name) => shared.get(name)), path].filter(Boolean);
    }
    if (!Object.values(needed).flat().length) throw new Error("no part was found in the script that loads the parts");
    return needed;
}

const loader = renameParts(text("__wasm_split.js"));
const manifest = JSON.stringify(partsOf(loader));
const wasm = rename("holdfast.wasm");
// The script's own default address of the module must hold too, though Leptos passes the address.
const script = text("holdfast.js").replaceAll("holdfast_bg.wasm", `holdfast.${wasm}.wasm`);
// The two scripts import each other, so one hash of both names both.
const js = digest(loader, script);
replace("__wasm_split", js, "js", loader.replaceAll('"./holdfast.js"', `"./holdfast.${js}.js"`));
// What the module itself calls the loader stays: only the script's import is an address.
replace("holdfast", js, "js", script.replaceAll('from "./__wasm_split.js"', `from "./__wasm_split.${js}.js"`));
const hashes = { js, wasm, css: rename("holdfast.css"), split: js, manifest: digest(manifest) };
replace("__wasm_split_manifest", hashes.manifest, "json", manifest);
writeFileSync(join(site, "hash.txt"), Object.entries(hashes).map(([kind, hash]) => `${kind}: ${hash}\n`).join(""));

for (const entry of readdirSync(site, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !COMPRESSIBLE.has(extname(entry.name))) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const content = readFileSync(file);
    writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
    const quality = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    writeFileSync(`${file}.br`, brotliCompressSync(content, { params: quality }));
}
