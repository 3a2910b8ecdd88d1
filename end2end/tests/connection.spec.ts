// Test connection: what a good one tells, and every bad input in words that say what to do.
import { expect, test } from "./fixtures.ts";
import { createSubscription, fillSettings, type Settings } from "./subscriptions.ts";

const GOOD: Settings[] = [
    { name: "Read directly", connection: "direct" },
    { name: "Through Odoo", connection: "odoo" },
];

for (const settings of GOOD) {
    test(`${settings.name}: the test reports versions, and the form saves`, async ({
        page,
        facts,
        open,
        checkAccessibility,
    }) => {
        await open("/subscriptions/new");
        await checkAccessibility();
        await fillSettings(page, facts, settings);
        await page.getByRole("button", { name: "Test connection" }).click();
        const report = page.getByRole("status").filter({ hasText: "The connection works." });
        await expect(report, "beside the button that was pressed").toBeInViewport();
        await expect(report).toContainText("18.0");
        if (settings.connection === "direct") {
            await expect(report).toContainText(/PostgreSQL\s*\d+\./);
            await expect(report).toContainText(/Matching pg_dump\s*\d+\./);
            await expect(report).toContainText(/[1-9]\d* attachments, \d/);
        }
        await checkAccessibility();
        await page.getByLabel("Database", { exact: true }).fill("another");
        await expect(report, "it was of another database").toBeHidden();
        await page.getByLabel("Database", { exact: true }).fill(facts.odoo.database);
        await page.getByRole("button", { name: "Create subscription" }).click();
        await expect(page.getByRole("heading", { name: settings.name, level: 1 })).toBeVisible();
        await expect(page.getByText("Danger · no backup yet")).toBeVisible();
        await checkAccessibility();

        await page.getByRole("link", { name: "General", exact: true }).click();
        await expect(page.getByLabel("Backup UUID", { exact: true })).toHaveValue(/^[0-9a-f-]{36}$/);
        await expect(page.getByLabel("Backup UUID", { exact: true })).not.toBeEditable();
        for (const secret of ["Connection URL", "Master password"]) {
            await expect(page.getByLabel(secret, { exact: true }), "a secret never comes back").toHaveValue("");
        }
        expect(await page.content()).not.toContain(facts.odoo.master_password);
        await checkAccessibility();
    });
}

const BAD: [string, Partial<Settings>, RegExp][] = [
    ["an unknown database", { connection: "direct", database: "nosuchdatabase" }, /nosuchdatabase/],
    ["a wrong password", { connection: "direct", postgres_url: "wrong password" }, /password|refuses/i],
    ["a host that does not answer", { connection: "direct", postgres_url: "postgres://odoo@127.0.0.1:9/" }, /127\.0\.0\.1|answer|connect/i],
    ["a filestore that is not there", { connection: "direct", filestore: "/nowhere/filestore" }, /\/nowhere\/filestore/],
    ["a wrong master password", { connection: "odoo", master_password: "not-the-password" }, /master password/i],
    ["an unknown database in Odoo", { connection: "odoo", database: "nosuchdatabase" }, /nosuchdatabase/],
    ["an Odoo that does not answer", { connection: "odoo", odoo_url: "http://127.0.0.1:9" }, /127\.0\.0\.1|answer|connect/i],
    ["something that is no Odoo", { connection: "odoo", odoo_url: "the backup server" }, /Odoo/],
];

for (const [what, wrong, words] of BAD) {
    test(`${what} is found and told`, async ({ page, facts, open, checkAccessibility }) => {
        const settings: Settings = { name: "Mistaken", connection: "direct", ...wrong };
        if (settings.postgres_url === "wrong password") {
            const url = new URL(facts.odoo.postgres_url);
            url.password = "not-the-password";
            settings.postgres_url = url.href;
        }
        if (settings.odoo_url === "the backup server") settings.odoo_url = facts.backup_server.url;
        await open("/subscriptions/new");
        await fillSettings(page, facts, settings);
        await page.getByRole("button", { name: "Test connection" }).click();
        const report = page.getByRole("status").filter({ hasText: "No backup can be made yet." });
        await expect(report).toBeVisible({ timeout: 30_000 });
        await expect(report.getByRole("listitem").first()).toContainText(words);
        await checkAccessibility();
    });
}

test.describe("a form with mistakes", () => {
    test.use({ expectedErrors: [/Failed to load resource/] });

    test("says at the field what is wrong, and keeps what was typed", async ({ page, facts, open, checkAccessibility }) => {
        await open("/subscriptions/new");
        await fillSettings(page, facts, { name: "Mistaken", connection: "direct", database: "../etc" });
        await page.getByRole("button", { name: "Create subscription" }).click();
        await expect(page.getByLabel("Database", { exact: true })).toHaveAttribute("aria-invalid", "true");
        await expect(page.getByLabel("Customer or name")).toHaveValue("Mistaken");
        await expect(page.getByLabel("Database", { exact: true }), "far above the button").toBeFocused();
        await checkAccessibility();
    });
});

test("a subscription is changed and deleted", async ({ page, facts, checkAccessibility }) => {
    await createSubscription(page, facts, { name: "Short-lived", connection: "direct" });
    await page.getByRole("link", { name: "General", exact: true }).click();
    await page.getByLabel("Daily backups").fill("3");
    await page.getByLabel("Backup server").selectOption({ label: "None (not configured)" });
    await page.getByRole("button", { name: "Save changes" }).click();
    await expect(page.getByText("Changes saved")).toBeVisible();
    await expect(page.getByText("Not configured").first()).toBeVisible();
    await page.reload();
    await page.getByRole("link", { name: "General", exact: true }).click();
    await expect(page.getByLabel("Daily backups")).toHaveValue("3");

    await page.getByRole("link", { name: /^Delete/ }).click();
    const dialog = page.getByRole("dialog");
    await expect(dialog).toContainText("has no backups");
    await checkAccessibility();
    await dialog.getByRole("button", { name: "Delete subscription" }).click();
    await expect(page).toHaveURL(/\/subscriptions(\?.*)?$/);
    await expect(page.getByRole("link", { name: "Short-lived" })).toHaveCount(0);
});
