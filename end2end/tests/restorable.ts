// A database of a test's own, to be replaced and brought back, and what the restore wizard is asked.
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { dirname, join } from "node:path";

import { expect, type Page } from "@playwright/test";

import { sql } from "./archives.ts";
import type { Facts } from "./facts.ts";
import { createSubscription, line, startBackup } from "./subscriptions.ts";

const COPY = 'set -o pipefail; pg_dump --no-owner "$1" | psql -Xq -v ON_ERROR_STOP=1 -d "$2" >/dev/null';

/** Copies the demo database with its filestore, under a name that only one test uses. */
export function makeDatabase(facts: Facts, database: string) {
    const { postgres_url, filestore } = facts.odoo;
    sql(postgres_url, "postgres", `CREATE DATABASE "${database}"`);
    const url = (name: string) => new URL(`/${name}`, postgres_url).href;
    execFileSync("bash", ["-c", COPY, "copy", url(facts.odoo.database), url(database)]);
    cpSync(filestore, folder(facts, database), { recursive: true });
}

/** The filestore folder of a database. */
export function folder(facts: Facts, database: string): string {
    return join(dirname(facts.odoo.filestore), database);
}

/** A subscription for a database of its own, with one good backup; ends on its page. Gives the page's path. `before`
 * changes the database first. */
export async function backedUp(
    page: Page,
    facts: Facts,
    name: string,
    database: string,
    connection: "direct" | "odoo" = "direct",
    before?: string,
): Promise<string> {
    makeDatabase(facts, database);
    if (before) sql(facts.odoo.postgres_url, database, before);
    const filestore = folder(facts, database);
    await createSubscription(page, facts, { name, connection, database, filestore });
    const path = new URL(page.url()).pathname;
    await page.goto(path);
    await startBackup(page, "zip", "the good state");
    await expect(async () => {
        if (!(await page.locator("html[data-hydrated]").count())) await page.reload();
        await expect(line(page, "the good state")).toContainText("Good", { timeout: 1_000 });
    }).toPass({ timeout: 60_000 });
    return path;
}

/** Something that goes wrong in a database; `isWrecked` tells whether it did. */
export function wreck(facts: Facts, database: string) {
    sql(facts.odoo.postgres_url, database, "UPDATE res_partner SET name = 'Wrecked'");
}

export function isWrecked(facts: Facts, database: string): boolean {
    return sql(facts.odoo.postgres_url, database, "SELECT count(*) FROM res_partner WHERE name = 'Wrecked'") !== "0";
}

/** Opens the wizard of the line with the good state. */
export async function openWizard(page: Page) {
    await line(page, "the good state").getByRole("link", { name: /^Restore / }).click();
    const wizard = page.getByRole("dialog", { name: "Restore backup" });
    await expect(wizard.getByRole("heading", { name: "Checks" })).toBeVisible();
    return wizard;
}

/** The worst day: a database with a good backup, wrecked since, and the wizard that brings it back, opened on the
 * subscription's page. */
export async function wrecked(page: Page, facts: Facts, name: string, database: string, connection?: "direct" | "odoo") {
    const path = await backedUp(page, facts, name, database, connection);
    wreck(facts, database);
    return { path, wizard: await openWizard(page) };
}
