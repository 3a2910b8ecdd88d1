// The whole way of a backup: wizard, progress, line, download, restore; comment, pin, delete; and what fails.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Page } from "@playwright/test";

import { readDump, readZip, restoreAndAsk, sql } from "./archives.ts";
import { expect, test } from "./fixtures.ts";
import { addServer, SEPARATE } from "./servers.ts";
import { slowOdoo } from "./slow-odoo.ts";
import { choose, createSubscription, line, startBackup } from "./subscriptions.ts";

const COUNTS = "SELECT (SELECT count(*) FROM ir_attachment), (SELECT count(*) FROM res_partner)";

/** Keeps what the progress card says from now on; gives a function that reads it. */
async function watchProgress(page: Page) {
    await page.evaluate(() => {
        const seen = new Set<string>();
        (window as unknown as { seen: Set<string> }).seen = seen;
        new MutationObserver(() => {
            for (const card of document.querySelectorAll('[aria-label$="under way"]')) seen.add(card.textContent ?? "");
        }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    return () => page.evaluate(() => [...(window as unknown as { seen: Set<string> }).seen].join("\n"));
}

async function download(page: Page, comment: string) {
    const [file] = await Promise.all([
        page.waitForEvent("download"),
        line(page, comment).getByRole("link", { name: /^Download / }).click(),
    ]);
    return { name: file.suggestedFilename(), path: await file.path() };
}

for (const connection of ["direct", "odoo"] as const) {
    test(`a backup, ${connection}: progress, a new line, a zip that restores`, async ({
        page,
        facts,
        open,
        checkAccessibility,
    }) => {
        const name = `Whole way, ${connection}`;
        await createSubscription(page, facts, { name, connection });
        await open(new URL(page.url()).pathname);
        await page.getByRole("link", { name: "Create backup", exact: true }).click();
        await expect(page.getByRole("dialog", { name: "Create backup" })).toBeVisible();
        await checkAccessibility();
        await page.getByRole("dialog").getByRole("link", { name: "Cancel" }).click();

        const progress = await watchProgress(page);
        await startBackup(page, "zip", "the first zip");
        await expect(line(page, "the first zip")).toContainText("Good", { timeout: 60_000 });
        await expect(page.getByText(`Backup of ${name} is complete`)).toBeVisible();
        expect(await progress(), "progress was shown live").toMatch(/Waiting for|Checking|Database|Filestore|Receiving|Verifying/);
        await expect(line(page, "the first zip")).toContainText(/(\d+) \/ \1/);
        await expect(page.getByText(/^Normal · /)).toBeVisible();
        await checkAccessibility();

        const zip = await download(page, "the first zip");
        expect(zip.name).toMatch(new RegExp(`^${facts.odoo.database}_\\d{4}-\\d\\d-\\d\\d_\\d\\d-\\d\\d-\\d\\d\\.zip$`));
        const folder = mkdtempSync(join(tmpdir(), "holdfast-zip-"));
        const { names, manifest } = readZip(zip.path, folder);
        expect(manifest).toMatchObject({ odoo_dump: "1", db_name: facts.odoo.database, major_version: "18.0" });
        expect(names).toContain("dump.sql");
        const attachments = names.filter((entry) => /^filestore\/[0-9a-f]{2}\/[0-9a-f]{40}$/.test(entry));
        expect(attachments.length).toBeGreaterThan(0);
        const { postgres_url, database } = facts.odoo;
        const restored = restoreAndAsk(postgres_url, `restored_${connection}`, join(folder, "dump.sql"), COUNTS);
        expect(restored).toBe(sql(postgres_url, database, COUNTS));

        await startBackup(page, "dump", "then a dump");
        await expect(line(page, "then a dump")).toContainText("Good", { timeout: 60_000 });
        const dump = await download(page, "then a dump");
        expect(dump.name).toMatch(/\.dump$/);
        readDump(dump.path);
    });
}

test("a separate server makes a backup too; changing the server keeps the line", async ({ page, facts, open }) => {
    await addServer(page, facts);
    await createSubscription(page, facts, { name: "On another server", connection: "direct", server: SEPARATE });
    await open(new URL(page.url()).pathname);
    await startBackup(page, "zip", "over there");
    await expect(line(page, "over there")).toContainText("Good", { timeout: 60_000 });
    await expect(line(page, "over there")).toContainText(SEPARATE);
    const zip = await download(page, "over there");
    expect(readZip(zip.path).names).toContain("manifest.json");

    await page.getByRole("link", { name: "General", exact: true }).click();
    await page.getByLabel("Backup server").selectOption({ label: "This machine" });
    await page.getByRole("button", { name: "Save changes" }).click();
    await expect(page.getByText("Changes saved")).toBeVisible();
    await page.getByRole("link", { name: "Backups", exact: true }).click();
    await expect(line(page, "over there")).toContainText(SEPARATE);
    const again = await download(page, "over there");
    expect(readZip(again.path).names).toContain("manifest.json");
});

test("comment, pin, search, filter and delete", async ({ page, facts, open, checkAccessibility }) => {
    await createSubscription(page, facts, { name: "Lines", connection: "direct" });
    await open(new URL(page.url()).pathname);
    for (const comment of ["one line", "another line"]) {
        await startBackup(page, "dump", comment);
        await expect(line(page, comment)).toContainText("Good", { timeout: 60_000 });
    }
    await choose(page, "one line", /comment/);
    await checkAccessibility();
    await page.getByLabel("Comment", { exact: true }).fill("one line, before the upgrade");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await expect(line(page, "before the upgrade")).toBeVisible();

    const uuid = line(page, "before the upgrade").locator(".uuid");
    await uuid.click();
    const selected = await page.evaluate(() => document.getSelection()?.toString());
    expect(selected, "a click selects the whole of it, without a clipboard").toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(selected).toBe(await uuid.textContent());

    await choose(page, "before the upgrade", /^Pin/);
    await expect(line(page, "before the upgrade")).toContainText("Pinned");
    await page.getByRole("link", { name: "Pinned", exact: true }).click();
    await expect(line(page, "another line")).toHaveCount(0);
    await expect(line(page, "before the upgrade")).toBeVisible();
    await page.getByRole("link", { name: "All", exact: true }).click();
    await page.getByRole("searchbox").fill("another");
    await expect(line(page, "before the upgrade")).toHaveCount(0);
    await expect(line(page, "another line")).toBeVisible();
    await page.getByRole("searchbox").fill("");
    await expect(line(page, "before the upgrade")).toBeVisible();

    await choose(page, "before the upgrade", /^Delete/);
    const pinned = page.getByRole("dialog", { name: "Delete this backup?" });
    await expect(pinned).toContainText("It is pinned");
    await checkAccessibility();
    await pinned.getByRole("button", { name: "Unpin" }).click();
    await expect(pinned.getByRole("button", { name: "Delete", exact: true })).toBeVisible();
    await pinned.getByRole("link", { name: "Cancel" }).click();
    await expect(line(page, "before the upgrade")).not.toContainText("Pinned");

    await choose(page, "another line", /^Delete/);
    const dialog = page.getByRole("dialog", { name: "Delete this backup?" });
    await expect(dialog).toContainText("another line");
    await checkAccessibility();
    await dialog.getByRole("link", { name: "Cancel" }).click();
    await expect(line(page, "another line")).toBeVisible();
    await choose(page, "another line", /^Delete/);
    await dialog.getByRole("button", { name: "Delete", exact: true }).click();
    await expect(line(page, "another line")).toHaveCount(0);
    await expect(line(page, "before the upgrade")).toBeVisible();

    await page.getByRole("link", { name: "General", exact: true }).click();
    await page.getByRole("link", { name: "Show the recovery kit" }).click();
    await expect(page.getByRole("dialog", { name: "Recovery kit" })).toContainText("restic");
    await checkAccessibility();
    await page.getByRole("dialog").getByRole("link", { name: "Close" }).last().click();

    await page.getByRole("link", { name: /^Delete/ }).click();
    const deletion = page.getByRole("dialog", { name: "Delete this subscription?" });
    await expect(deletion).toContainText("has 1 backup");
    await checkAccessibility();
    await deletion.getByRole("radio", { name: /^Delete them/ }).check();
    await deletion.getByLabel(/^Type the subscription's name/).fill("Lines");
    await deletion.getByRole("button", { name: "Delete subscription" }).click();
    await expect(page).toHaveURL(/\/subscriptions(\?.*)?$/);
    await expect(page.getByRole("link", { name: "Lines", exact: true })).toHaveCount(0);
});

test("a failed backup stays visible with its reason and without a download", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    await createSubscription(page, facts, { name: "Failing", connection: "direct", database: "nosuchdatabase" });
    await open(new URL(page.url()).pathname);
    await startBackup(page, "zip", "cannot work");
    const failed = line(page, "cannot work");
    await expect(failed).toContainText("Failed", { timeout: 60_000 });
    await expect(failed).toContainText("nosuchdatabase");
    await expect(failed.getByRole("link", { name: /^Download/ })).toHaveCount(0);
    await expect(page.getByText("Danger · no backup yet")).toBeVisible();
    await checkAccessibility();

    await choose(page, "cannot work", /^Log$/);
    await expect(page.getByRole("heading", { name: /Backup of Failing/, level: 1 })).toBeVisible();
    await expect(page.getByText("nosuchdatabase").first()).toBeVisible();
    await checkAccessibility();
});

test("a backup that waits for Odoo says so and for how long, and is cancelled", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    const odoo = await slowOdoo(facts.odoo.odoo_url);
    try {
        await createSubscription(page, facts, { name: "Cancelled", connection: "odoo", odoo_url: odoo.url });
        await open(new URL(page.url()).pathname);
        await startBackup(page, "zip", "not wanted");
        const card = page.getByRole("region", { name: "Backup under way" });
        await expect(card).toContainText("Waiting for Odoo");
        const elapsed = card.getByText(/^running for \d+ s$/);
        await expect(elapsed).toBeVisible();
        const before = await elapsed.textContent();
        await expect(elapsed, "the time goes on").not.toHaveText(before ?? "");
        await checkAccessibility();

        await card.getByRole("button", { name: "Cancel" }).click();
        await expect(page.getByText("Backup of Cancelled was cancelled")).toBeVisible();
        await odoo.hungUp;
        await expect(card).toHaveCount(0);
        await expect(line(page, "not wanted")).toHaveCount(0);
        await expect(page.getByRole("link", { name: "Create the first backup" })).toBeVisible();
        await expect(page.getByText("Danger · no backup yet")).toBeVisible();
    } finally {
        odoo.stop();
    }
});
