// What tests do with subscriptions and their backups.
import { expect, type Page } from "@playwright/test";

import type { Facts } from "./facts.ts";

/** What the form of a new subscription is filled with. */
export interface Settings {
    name: string;
    database?: string;
    server?: string;
    connection: "direct" | "odoo";
    postgres_url?: string;
    filestore?: string;
    addons?: string;
    odoo_url?: string;
    master_password?: string;
}

/** Fills the form; what is not said is right. */
export async function fillSettings(page: Page, facts: Facts, settings: Settings) {
    const { odoo } = facts;
    await page.getByLabel("Customer or name").fill(settings.name);
    await page.getByLabel("Database", { exact: true }).fill(settings.database ?? odoo.database);
    if (settings.connection === "direct") {
        await page.getByRole("radio", { name: /^PostgreSQL and filestore/ }).check();
        await page.getByLabel("Connection URL").fill(settings.postgres_url ?? odoo.postgres_url);
        await page.getByLabel("Filestore folder").fill(settings.filestore ?? odoo.filestore);
        await page.getByLabel("Addons folders").fill(settings.addons ?? odoo.addons);
    } else {
        await page.getByRole("radio", { name: /^Odoo over HTTP/ }).check();
        await page.getByLabel("Address of Odoo").fill(settings.odoo_url ?? odoo.odoo_url);
        await page.getByLabel("Master password").fill(settings.master_password ?? odoo.master_password);
    }
    if (settings.server) await page.getByLabel("Backup server").selectOption({ label: settings.server });
    // What a test backs up, it backs up itself, whatever the time of day.
    await page.getByLabel("Back up by schedule").uncheck();
}

/** Creates a subscription; ends on its page. */
export async function createSubscription(page: Page, facts: Facts, settings: Settings) {
    await page.goto("/subscriptions/new");
    await fillSettings(page, facts, settings);
    await page.getByRole("button", { name: "Create subscription" }).click();
    await expect(page.getByRole("heading", { name: settings.name, level: 1 })).toBeVisible();
}

/** On a subscription's page: fills the wizard in and starts the backup. */
export async function startBackup(page: Page, format: "zip" | "dump", comment: string) {
    await page.getByRole("link", { name: "Create backup", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Create backup" });
    await dialog.getByRole("radio", { name: format === "zip" ? /^Database and filestore/ : /^Database only/ }).check();
    await dialog.getByLabel("Comment").fill(comment);
    await dialog.getByRole("button", { name: "Create backup" }).click();
    await expect(dialog).toBeHidden();
}

/** The line of a backup, found by its comment. */
export function line(page: Page, comment: string) {
    return page.getByRole("table", { name: "Backups" }).getByRole("row").filter({ hasText: comment });
}

/** Chooses something from a line's menu. */
export async function choose(page: Page, comment: string, words: RegExp) {
    await line(page, comment).getByRole("button", { name: /^More for / }).click();
    const menu = line(page, comment).locator("[popover]");
    await menu.getByRole("link", { name: words }).or(menu.getByRole("button", { name: words })).click();
}
