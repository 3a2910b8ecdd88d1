// Operations and the action log: everything that was done is there, with who did it and how it ended.
import { ADMINISTRATOR } from "./facts.ts";
import { expect, hydrated, test } from "./fixtures.ts";
import { choose, createSubscription, line, startBackup } from "./subscriptions.ts";

test("what is typed stays while backups begin and end elsewhere", async ({ page, facts, open, context }) => {
    await createSubscription(page, facts, { name: "Typed into", connection: "direct" });
    const address = new URL(page.url()).pathname;
    const backups = page.locator(".glance div").filter({ hasText: "Backups" });
    await open(`${address}?tab=general`);
    await page.getByLabel("Customer or name").fill("Typed, not saved");

    const other = await context.newPage();
    await other.goto(address);
    await hydrated(other);
    await startBackup(other, "dump", "the first");
    await expect(backups, "this page knows of its end").toContainText("1", { timeout: 60_000 });
    await expect(page.getByLabel("Customer or name")).toHaveValue("Typed, not saved");

    await open(address);
    await choose(page, "the first", /comment/);
    const comment = page.getByLabel("Comment", { exact: true });
    await comment.fill("half a sente");
    await startBackup(other, "dump", "the second");
    await expect(backups).toContainText("2", { timeout: 60_000 });
    await expect(comment).toHaveValue("half a sente");
    await page.keyboard.press("Escape");
    await expect(line(page, "the second"), "what was held back comes").toContainText("Good");
    await expect(line(page, "the first")).toContainText("Good");
});

test("a backup appears in operations with its log, and every act in the action log", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    await createSubscription(page, facts, { name: "Watched", connection: "direct" });
    await open(new URL(page.url()).pathname);
    await startBackup(page, "dump", "to be watched");
    await expect(line(page, "to be watched")).toContainText("Good", { timeout: 60_000 });

    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: /^Operations/ }).click();
    await expect(page.getByRole("heading", { name: "Operations", level: 1 })).toBeVisible();
    const row = page.getByRole("row").filter({ hasText: "Watched" });
    await expect(row).toContainText("Succeeded");
    await checkAccessibility();
    await row.getByRole("link").first().click();
    await expect(page.getByRole("heading", { name: "Backup of Watched", level: 1 })).toBeVisible();
    await expect(page.getByRole("heading", { name: /log/i }).first()).toBeVisible();
    await checkAccessibility();

    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Action log" }).click();
    await expect(page.getByRole("heading", { name: "Action log", level: 1 })).toBeVisible();
    await checkAccessibility();
    await page.getByRole("searchbox").fill("Watched");
    const log = page.getByRole("table", { name: "Action log" }).getByRole("row").filter({ hasText: "Watched" });
    await expect(log.filter({ hasText: /backup/i }).first()).toContainText(ADMINISTRATOR.name);
    await expect(log.filter({ hasText: /subscription/i }).first()).toBeVisible();
});
