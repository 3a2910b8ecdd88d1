// Starts a throwaway PostgreSQL with a real Odoo database and an Odoo stand-in, adds two subscriptions for it (one for
// each way to reach a database), and runs the panel until Ctrl-C. Everything lies in .demo/ and starts afresh each time.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

import { askedToStop, start, stopAll } from "../end2end/processes.mjs";

const root = resolve(import.meta.dirname, "..");
const bin = join(process.env.TARGET, "release");
const folder = join(root, ".demo");
const environment = {
    HOLDFAST_LISTEN: process.env.HOLDFAST_LISTEN ?? "127.0.0.1:8070",
    HOLDFAST_DATA: join(folder, "data"),
    HOLDFAST_SITE: process.env.SITE,
    DATABASE_URL: undefined,
};

function addSubscription(name, database, connection) {
    const options = Object.entries({ name, database, ...connection }).flatMap(([key, value]) => [`--${key}`, value]);
    execFileSync(join(bin, "holdfast"), ["add-subscription", ...options], { env: { ...process.env, ...environment } });
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
const stop = askedToStop();
try {
    console.log("Starting PostgreSQL with a real Odoo database");
    const { value: odoo } = await start("testbed", join(bin, "testbed"), ["demo", "--dir", join(folder, "odoo")], {
        ready: (line) => (line.startsWith("{") ? JSON.parse(line) : undefined),
        log: join(folder, "testbed.log"),
    });
    addSubscription("Demo, read directly", odoo.database, {
        "postgres-url": odoo.postgres_url,
        filestore: odoo.filestore,
    });
    addSubscription("Demo, through Odoo", odoo.database, {
        "odoo-url": odoo.odoo_url,
        "master-password": odoo.master_password,
    });
    const { value: link } = await start("the panel", join(bin, "holdfast"), [], {
        env: environment,
        ready: (line) => line.match(/(http:\/\/\S+\/set-up\/\S+)/)?.[1],
        log: join(folder, "panel.log"),
    });
    console.log(`
Open this link once to create the first administrator; the subscriptions are there already:

  ${link}

PostgreSQL       ${odoo.postgres_url}
Database         ${odoo.database}
Filestore        ${odoo.filestore}
Odoo stand-in    ${odoo.odoo_url}  (master password: ${odoo.master_password})

Everything ends with Ctrl-C.`);
    await stop;
    console.log("Ending");
} finally {
    await stopAll();
}
process.exit(0);
