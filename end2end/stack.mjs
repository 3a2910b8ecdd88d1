// Everything the browser tests need, on free ports of 127.0.0.1: PostgreSQL with a real Odoo database and an Odoo
// stand-in, a backup server of its own, and three panels: "hydrated" keeps its data in SQLite, "no-js" in PostgreSQL,
// "seeded" is full of made-up subscriptions. Prints one line when all are ready, and ends them on SIGTERM.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { askedToStop, start, stopAll } from "./processes.mjs";

const target = resolve(process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, "../target"));
const bin = join(target, process.env.PROFILE ?? "debug");
const logs = join(import.meta.dirname, "test-results", "logs");
const folder = mkdtempSync(join(tmpdir(), "holdfast-e2e-"));
// PostgreSQL's own account must get through to the files that lie in here.
execFileSync("chmod", ["755", folder]);
mkdirSync(logs, { recursive: true });

async function startTestbed() {
    const { value } = await start("testbed", join(bin, "testbed"), ["demo", "--dir", join(folder, "odoo")], {
        ready: (line) => (line.startsWith("{") ? JSON.parse(line) : undefined),
        log: join(logs, "testbed.log"),
    });
    return value;
}

async function startBackupServer() {
    let url;
    const { value, pid } = await start("backup-server", join(bin, "backup-server"), [], {
        env: {
            BACKUP_LISTEN: "127.0.0.1:0",
            BACKUP_DATA: join(folder, "backup-server"),
            // The tests' own HTTP servers are on this machine.
            BACKUP_ALLOW_URL_RANGES: "127.0.0.0/8",
        },
        ready: (line) => {
            url ??= line.match(/Listening on (http:\S+)/)?.[1];
            const token = line.match(/token\S*\s+(\S+)$/i)?.[1];
            return url && token ? { url, token } : undefined;
        },
        log: join(logs, "backup-server.log"),
    });
    return { ...value, pid };
}

function environment(name, more) {
    return {
        HOLDFAST_LISTEN: "127.0.0.1:0",
        HOLDFAST_DATA: join(folder, `panel-${name}`),
        HOLDFAST_SITE: join(target, "site"),
        DATABASE_URL: undefined,
        // A receiver of alerts is on this machine, too.
        HOLDFAST_ALLOW_WEBHOOK_RANGES: "127.0.0.0/8",
        ...more,
    };
}

async function startPanel(name, more = {}) {
    const { value, pid } = await start(`panel ${name}`, join(bin, "holdfast"), [], {
        env: environment(name, more),
        ready: (line) => line.match(/(http:\/\/\S+\/set-up\/\S+)/)?.[1],
        log: join(logs, `panel-${name}.log`),
    });
    return { url: new URL(value).origin, setup_url: value, pid };
}

function seed(name) {
    const arguments_ = ["seed", "--subscriptions", "130", "--lines", "650"];
    execFileSync(join(bin, "holdfast"), arguments_, { env: { ...process.env, ...environment(name) }, stdio: "ignore" });
}

function createDatabase(url, name) {
    const postgres = new URL("/postgres", url).href;
    execFileSync("psql", ["--no-psqlrc", "--quiet", "--dbname", postgres, "--command", `CREATE DATABASE ${name}`]);
    const address = new URL(url);
    address.pathname = `/${name}`;
    return address.href;
}

const stop = askedToStop();
try {
    const [odoo, backup_server] = await Promise.all([startTestbed(), startBackupServer()]);
    seed("seeded");
    const panels = {
        hydrated: await startPanel("hydrated"),
        "no-js": await startPanel("no-js", { DATABASE_URL: createDatabase(odoo.postgres_url, "panel") }),
        seeded: await startPanel("seeded"),
    };
    const facts = join(folder, "facts.json");
    writeFileSync(facts, JSON.stringify({ folder, logs, bin, site: join(target, "site"), odoo, backup_server, panels }, null, 2));
    console.log(`Ready: ${facts}`);
    await stop;
} finally {
    await stopAll();
    rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
