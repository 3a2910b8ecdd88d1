// Not a test: takes screenshots of every page in light, dark and narrow into the folder that SCREENSHOTS names.
import { join } from "node:path";

import type { Page } from "@playwright/test";

import { enter, expect, painted, test } from "./fixtures.ts";
import { backedUp, makeDatabase, openWizard } from "./restorable.ts";
import { createSubscription, line, startBackup } from "./subscriptions.ts";
import { arrived, choose, cutOff, fileAt, GOOD, holdChunks, noise, openImport, subscribed } from "./uploads.ts";

const folder = process.env.SCREENSHOTS ?? "test-results/screenshots";

const LOOKS = [
    { look: "light", colorScheme: "light", width: 1280, height: 800 },
    { look: "dark", colorScheme: "dark", width: 1280, height: 800 },
    { look: "narrow", colorScheme: "light", width: 390, height: 844 },
] as const;

type Look = (typeof LOOKS)[number]["look"];

/** In every look; all of the page where it says so, else what is in sight. */
async function shootPage(page: Page, name: string, whole: readonly Look[] = ["narrow"]) {
    for (const { look, colorScheme, width, height } of LOOKS) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await painted(page);
        await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: whole.includes(look) });
    }
    await page.setViewportSize({ width: 1280, height: 800 });
}

test("every page", async ({ page, facts, open }) => {
    test.setTimeout(300_000);
    const shoot = (name: string) => shootPage(page, name);

    await open("/");
    await expect(page.getByRole("heading", { name: "Nothing is backed up yet" })).toBeVisible();
    await shoot("overview-fresh");
    await createSubscription(page, facts, { name: "Acme Trading", connection: "direct" });
    const acme = new URL(page.url()).pathname;
    await open(acme);
    await shoot("subscription-empty");
    await startBackup(page, "zip", "before the 18.0.2 upgrade");
    await expect(line(page, "before the 18.0.2 upgrade")).toContainText("Good", { timeout: 60_000 });
    await startBackup(page, "dump", "");
    await expect(page.getByRole("table", { name: "Backups" }).getByRole("row")).toHaveCount(3, { timeout: 60_000 });
    await createSubscription(page, facts, { name: "Borealis Clinic", connection: "odoo" });
    await createSubscription(page, facts, { name: "Cedar Hotel", connection: "direct", database: "cedar" });
    const cedar = new URL(page.url()).pathname;
    await open(cedar);
    await startBackup(page, "zip", "nightly");
    await expect(line(page, "nightly")).toContainText("Failed", { timeout: 60_000 });
    await shoot("subscription-failed");

    for (const [path, name] of [
        ["/", "overview"],
        ["/subscriptions", "subscriptions"],
        [acme, "subscription"],
        [`${acme}?tab=general`, "subscription-general"],
        [`${acme}?wizard=create-backup`, "create-backup"],
        ["/subscriptions/new", "subscription-new"],
        ["/backup-servers", "backup-servers"],
        ["/backup-servers/new", "backup-server-new"],
        ["/operations", "operations"],
        ["/action-log", "action-log"],
    ]) {
        await open(path);
        await expect(page.getByRole("heading", { level: 1 }).first()).toBeVisible();
        await shoot(name);
    }
    await page.goto("/operations");
    await page.getByRole("main").getByRole("table").getByRole("link").first().click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Backup of");
    await shoot("operation");
});

test("a restore", async ({ page, facts, open }) => {
    test.setTimeout(300_000);
    const shoot = (name: string) => shootPage(page, name);
    const path = await backedUp(page, facts, "Dawn Foods", "dawn");
    await open(path);
    const wizard = await openWizard(page);
    await shoot("restore");
    await wizard.getByLabel("Restore into another database instead").check();
    await wizard.getByLabel("Name of the new database").fill("dawn_test");
    await wizard.getByLabel("Type the database's name to confirm").fill("dawn_test");
    await expect(wizard.getByRole("button", { name: "Create dawn_test" })).toBeEnabled();
    await shoot("restore-copy");
    await wizard.getByLabel("Restore into another database instead").uncheck();
    await wizard.getByLabel("Type the database's name to confirm").fill("dawn");
    await wizard.getByRole("button", { name: "Replace dawn" }).click();
    await expect(page.getByRole("list", { name: "Steps" })).toBeVisible();
    await page.screenshot({ path: join(folder, "restore-running-light.png") });
    await expect(page.getByText("dawn is restored and verified.")).toBeVisible({ timeout: 60_000 });
    await shoot("restored");
    await page.getByRole("link", { name: "Undo restore" }).click();
    await expect(page.getByRole("dialog", { name: "Undo this restore?" })).toBeVisible();
    await shoot("undo");
    for (const [address, name] of [
        [path, "subscription-restored"],
        ["/operations", "operations-restored"],
        ["/action-log", "action-log-restored"],
        ["/backup-servers/new", "backup-server-new"],
    ]) {
        await open(address);
        await expect(page.getByRole("heading", { level: 1 }).first()).toBeVisible();
        await shoot(name);
    }
});

test("a plan", async ({ page, facts, open }) => {
    test.setTimeout(300_000);
    const shoot = (name: string) => shootPage(page, name);
    await createSubscription(page, facts, { name: "Elm Logistics", connection: "direct" });
    const path = new URL(page.url()).pathname;
    await open(path);
    for (const comment of ["before the upgrade", "after it", "and once more"]) {
        await startBackup(page, "dump", comment);
        await expect(line(page, comment)).toContainText("Good", { timeout: 60_000 });
    }
    await open(`${path}?tab=general`);
    await page.getByLabel("Back up by schedule").check();
    await page.getByLabel("Times", { exact: true }).fill("06:30, 18:30");
    await page.getByLabel("Time zone").fill("Europe/Berlin");
    await page.getByLabel("Keep latest").fill("2");
    await page.getByRole("button", { name: "Preview" }).click();
    await expect(page.getByText("1 backup would be removed")).toBeVisible();
    await page.getByRole("heading", { name: "Schedule" }).scrollIntoViewIfNeeded();
    await shoot("plan");
    await page.getByRole("status", { name: "What retention would do" }).scrollIntoViewIfNeeded();
    await shoot("plan-retention");
    await page.getByRole("button", { name: "Save changes" }).click();
    await expect(page.getByText("Changes saved")).toBeVisible();
    await open(path);
    await expect(page.getByText("Not kept by the rule")).toBeVisible();
    await shoot("lines-kept");
    await open("/subscriptions");
    await page.getByLabel("Choose Elm Logistics").check();
    await shoot("subscriptions-chosen");
});

test("an import", async ({ page, facts, open }) => {
    test.setTimeout(300_000);
    const shoot = (name: string) => shootPage(page, name);
    makeDatabase(facts, "fir");
    const path = await subscribed(page, facts, "Fir Workshop", "fir");
    await open(path);
    const wizard = await openImport(page);
    await shoot("import");
    await choose(wizard, fileAt(facts, "fir.sql", "SELECT 1"));
    await shoot("import-refused");
    await choose(wizard, noise(facts, "fir_2026-11-21.zip", 40));
    await shoot("import-chosen");
    const held = await holdChunks(page);
    await wizard.getByRole("button", { name: "Upload", exact: true }).click();
    // One after the other, as from far away: a rate takes time.
    for (let chunk = 1; chunk <= 8; chunk += 1) {
        held.letGo(chunk);
        await arrived(wizard, chunk);
    }
    await shoot("import-uploading");
    await wizard.getByRole("button", { name: "Pause" }).click();
    await shoot("import-paused");
    await open(`${path}?wizard=import`);
    await shoot("import-unfinished");
    await choose(wizard, join(facts.folder, "files", "fir_2026-11-21.zip"));
    await shoot("import-goes-on");
    held.letGo(1_000);
    await wizard.getByRole("button", { name: "Discard fir_2026-11-21.zip" }).click();
    await wizard.getByRole("link", { name: "From a URL" }).click();
    await wizard.getByLabel("Address of the file").fill("https://ada:secret@files.example.com/backups/fir.zip");
    await shoot("import-url");
    await open(`${path}?wizard=import`);
    await choose(wizard, cutOff(facts, "fir_cut.zip"));
    await wizard.getByRole("button", { name: "Upload", exact: true }).click();
    await expect(wizard.getByText("fir_cut.zip could not be imported.")).toBeVisible({ timeout: 60_000 });
    await shoot("import-failed");
    await wizard.getByRole("link", { name: "Choose another file" }).click();
    await choose(wizard, GOOD);
    await wizard.getByRole("radio", { name: /^Only keep it/ }).check();
    await wizard.getByRole("button", { name: "Upload", exact: true }).click();
    await expect(wizard.getByRole("link", { name: "Restore it" })).toBeVisible({ timeout: 60_000 });
    await shoot("imported");
    await wizard.getByRole("link", { name: "Close", exact: true }).last().click();
    await expect(line(page, "tiny18.zip")).toContainText("Good");
    await shoot("subscription-imported");
    await line(page, "tiny18.zip").getByRole("link", { name: /^Restore / }).click();
    await expect(page.getByRole("dialog", { name: "Restore backup" })).toBeVisible();
    await shoot("import-restore");
});

test("alerts", async ({ page, facts, open }) => {
    test.setTimeout(120_000);
    const shoot = (name: string) => shootPage(page, name);
    const add = async (kind: RegExp, name: string, fields: [string, string][]) => {
        await open("/alerts/new");
        await page.getByRole("radio", { name: kind }).check();
        await page.getByLabel("Name").fill(name);
        for (const [label, text] of fields) await page.getByLabel(label, { exact: true }).fill(text);
        await page.getByRole("button", { name: "Save channel" }).click();
        await expect(page.getByRole("row").filter({ hasText: name })).toBeVisible();
    };
    await open("/alerts");
    await shoot("alerts-empty");
    await open("/alerts/new");
    await shoot("alert-channel-mail");
    await page.getByRole("radio", { name: /^Webhook/ }).check();
    await shoot("alert-channel-webhook");
    await add(/^Webhook/, "Status board", [
        ["Address", `${facts.panels.seeded.url}/healthz`],
        ["Signing key", "0123456789abcdef"],
    ]);
    await add(/^E-mail/, "Operations team", [
        ["Mail server", "127.0.0.1"],
        ["Port", "9"],
        ["Sender", "holdfast@example.com"],
        ["Recipients", "ada@example.com"],
    ]);
    await page.getByRole("button", { name: "Test Operations team" }).click();
    await expect(page.getByText("The test did not arrive")).toBeVisible();
    await shoot("alerts");
    await open("/alerts?tab=log");
    await shoot("alerts-log");
    await open("/alerts?tab=rules");
    await shoot("alerts-rules");
    await createSubscription(page, facts, { name: "Gale Textiles", connection: "direct", database: "gale" });
    await open(`${new URL(page.url()).pathname}?tab=general`);
    await page.getByRole("radio", { name: /^Own channels/ }).check();
    await page.getByRole("heading", { name: "Alerts" }).scrollIntoViewIfNeeded();
    await shoot("subscription-alerts");
});

test.describe("many subscriptions", () => {
    test.use({ panel: "seeded", storageState: { cookies: [], origins: [] } });

    test("the list", async ({ page, facts, open }) => {
        const { url, setup_url } = facts.panels.seeded;
        await open(`${url}/sign-in`);
        await shootPage(page, "sign-in", []);
        await enter(page, setup_url);
        await open("/");
        await shootPage(page, "overview-many", ["light", "dark", "narrow"]);
        const path = await page.getByRole("region", { name: "The last four weeks" }).getByRole("link").first().getAttribute("href");
        await open(path ?? "");
        await shootPage(page, "subscription-history");
        await open("/subscriptions?sort=state&order=desc");
        await shootPage(page, "subscriptions-many", []);
    });
});
