// Not a test: takes screenshots of every page in light, dark and narrow into the folder that SCREENSHOTS names.
import { join } from "node:path";

import { expect, setUp, test } from "./fixtures.ts";
import { createSubscription, line, startBackup } from "./subscriptions.ts";

const folder = process.env.SCREENSHOTS ?? "test-results/screenshots";

const LOOKS = [
    { look: "light", colorScheme: "light", width: 1280, height: 800 },
    { look: "dark", colorScheme: "dark", width: 1280, height: 800 },
    { look: "narrow", colorScheme: "light", width: 390, height: 844 },
] as const;

test("every page", async ({ page, facts, open }) => {
    test.setTimeout(300_000);
    const shoot = async (name: string) => {
        for (const { look, colorScheme, width, height } of LOOKS) {
            await page.setViewportSize({ width, height });
            await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
            await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: look === "narrow" });
        }
        await page.setViewportSize({ width: 1280, height: 800 });
    };

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
    await open(acme);
    await line(page, "before the 18.0.2 upgrade").getByRole("link", { name: /^Restore / }).click();
    const wizard = page.getByRole("dialog", { name: "Restore backup" });
    await expect(wizard.getByRole("heading", { name: "Checks" })).toBeVisible();
    await shoot("restore");
    await wizard.getByLabel("Restore into another database instead").check();
    await wizard.getByLabel("Name of the new database").fill("acme_test");
    await wizard.getByLabel("Type the database's name to confirm").fill("acme_test");
    await expect(wizard.getByRole("button", { name: "Create acme_test" })).toBeEnabled();
    await wizard.getByRole("button", { name: "Create acme_test" }).scrollIntoViewIfNeeded();
    await shoot("restore-copy");
    await page.goto("/operations");
    await page.getByRole("main").getByRole("table").getByRole("link").first().click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Backup of");
    await shoot("operation");
});

test.describe("many subscriptions", () => {
    test.use({ panel: "seeded", storageState: { cookies: [], origins: [] } });

    test("the list", async ({ page, facts, open }) => {
        const { url, setup_url } = facts.panels.seeded;
        await open(`${url}/sign-in`);
        for (const { look, colorScheme, width, height } of LOOKS) {
            await page.setViewportSize({ width, height });
            await page.emulateMedia({ colorScheme });
            await page.screenshot({ path: join(folder, `sign-in-${look}.png`) });
        }
        await setUp(page, setup_url);
        await open("/subscriptions?sort=state&order=desc");
        for (const { look, colorScheme, width, height } of LOOKS) {
            await page.setViewportSize({ width, height });
            await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
            await page.screenshot({ path: join(folder, `subscriptions-many-${look}.png`) });
        }
    });
});
