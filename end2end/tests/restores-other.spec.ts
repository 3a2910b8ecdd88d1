// Restores that are not the usual ones: through Odoo, refused, failed, of an old Odoo, seen by a viewer; and Verify now.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

import { sql } from "./archives.ts";
import { expect, hydrated, test } from "./fixtures.ts";
import { backedUp, isWrecked, openWizard, wreck, wrecked } from "./restorable.ts";
import { line } from "./subscriptions.ts";

const ODOO_15 = "UPDATE ir_module_module SET latest_version = '15.0.1.3' WHERE name = 'base'";

test("through Odoo over HTTP a backup is restored, and the restore is undone", async ({
    page,
    facts,
    checkAccessibility,
}) => {
    test.setTimeout(240_000);
    const database = "through_odoo";
    const { wizard } = await wrecked(page, facts, "Through the manager", database, "odoo");
    await checkAccessibility();
    await wizard.getByLabel("Type the database's name to confirm").fill(database);
    await wizard.getByRole("button", { name: `Replace ${database}` }).click();
    await expect(page.getByText(`${database} is restored and verified.`)).toBeVisible({ timeout: 120_000 });
    expect(isWrecked(facts, database)).toBe(false);
    await checkAccessibility();
    await page.getByRole("link", { name: "Undo restore" }).click();
    const dialog = page.getByRole("dialog", { name: "Undo this restore?" });
    await dialog.getByLabel("Type the database's name to confirm").fill(database);
    await dialog.getByRole("button", { name: `Bring ${database} back` }).click();
    await expect(page.getByText(`${database} is as it was before the restore.`)).toBeVisible({ timeout: 120_000 });
    expect(isWrecked(facts, database)).toBe(true);
});

test("a restore that cannot go on says why, and the database is as it was", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    test.setTimeout(120_000);
    const database = "changed_since";
    const path = await backedUp(page, facts, "Changed Since", database);
    await open(path);
    const wizard = await openWizard(page);
    await wizard.getByLabel("Type the database's name to confirm").fill(database);
    await expect(wizard.getByRole("button", { name: `Replace ${database}` })).toBeEnabled();
    // After the wizard has looked, somebody puts an older Odoo there.
    sql(facts.odoo.postgres_url, database, ODOO_15);
    wreck(facts, database);
    await wizard.getByRole("button", { name: `Replace ${database}` }).click();
    await expect(page).toHaveURL(/\/operations\//);
    await expect(page.getByText("an older Odoo cannot use it").first()).toBeVisible({ timeout: 60_000 });
    await expect(page.getByText("Failed", { exact: true })).toBeVisible();
    await expect(page.getByRole("link", { name: "Undo restore" })).toHaveCount(0);
    await expect(page.getByText("It did not succeed, so that there is nothing to undo.")).toBeVisible();
    expect(isWrecked(facts, database), "the database is as it was").toBe(true);
    await checkAccessibility();
    await open("/action-log?search=Changed%20Since");
    await expect(page.getByRole("row").filter({ hasText: "did not succeed" })).toContainText("older Odoo");
});

test("an Odoo before 16 cannot be neutralized, and the wizard says so", async ({ page, facts, open, checkAccessibility }) => {
    test.setTimeout(120_000);
    const path = await backedUp(page, facts, "Old Odoo", "old_odoo", "direct", ODOO_15);
    await open(path);
    const wizard = await openWizard(page);
    await expect(wizard).toContainText("Odoo 15.0");
    await expect(wizard.getByLabel("Neutralize the database")).toBeDisabled();
    await expect(wizard).toContainText("Odoo neutralizes from version 16 on.");
    await checkAccessibility();
});

test.describe("a viewer", () => {
    // The server refuses what the pages do not offer, and the browser notes it.
    test.use({ expectedErrors: [/Failed to load resource/] });

    test("sees backups but can neither restore nor open the wizard", async ({ page, facts, open, browser, baseURL }) => {
        test.setTimeout(120_000);
        const path = await backedUp(page, facts, "Only Seen", "only_seen");
        await open(path);
        const address = await line(page, "the good state").getByRole("link", { name: /^Restore / }).getAttribute("href");
        const account = { email: "vera@example.com", password: "a password for looking on" };
        const env = {
            ...process.env,
            HOLDFAST_DATA: join(facts.folder, "panel-hydrated"),
            HOLDFAST_PASSWORD: account.password,
            DATABASE_URL: undefined,
        };
        const words = ["add-user", "--name", "Vera Viewer", "--email", account.email, "--role", "viewer"];
        execFileSync(join(facts.bin, "holdfast"), words, { env });
        const context = await browser.newContext({ baseURL, storageState: { cookies: [], origins: [] } });
        const other = await context.newPage();
        await other.goto("/sign-in");
        await hydrated(other);
        await other.getByLabel("Email address").fill(account.email);
        await other.getByLabel("Password").fill(account.password);
        await other.getByRole("button", { name: "Sign in" }).click();
        await expect(other.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
        await other.goto(path);
        await hydrated(other);
        await expect(line(other, "the good state")).toContainText("Good");
        await expect(other.getByRole("link", { name: /^Restore / })).toHaveCount(0);
        await expect(other.getByRole("link", { name: "Create backup", exact: true })).toHaveCount(0);
        await other.goto(new URL(address ?? "", new URL(path, baseURL)).href);
        await hydrated(other);
        await expect(other.getByRole("button", { name: /^Replace / })).toHaveCount(0);
        await expect(other.getByText(/operator/i).first()).toBeVisible();
        await context.close();
    });
});

test("Verify now reads all that is stored and says what it found", async ({ page, facts, open, checkAccessibility }) => {
    test.setTimeout(120_000);
    const path = await backedUp(page, facts, "Read Again", "read_again");
    await open(path);
    const verification = page.getByRole("region", { name: "Verification" });
    await expect(verification).toContainText("Not verified yet");
    await verification.getByRole("button", { name: "Verify now" }).click();
    await expect(page.getByRole("heading", { name: "Verification of Read Again", level: 1 })).toBeVisible();
    await expect(page.getByText("Everything was read and is as it was written.")).toBeVisible({ timeout: 60_000 });
    await expect(page.getByText("Succeeded", { exact: true })).toBeVisible();
    await checkAccessibility();
    await open(path);
    await expect(verification).toContainText("were read and are as they were written");
    await checkAccessibility();
    await open("/action-log?search=Read%20Again");
    await expect(page.getByRole("row").filter({ hasText: "Verified the backups of read_again" })).toBeVisible();
});
