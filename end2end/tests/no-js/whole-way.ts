// What works without JavaScript: set-up, sign-in, the list, the forms, a backup and its download.
import { readZip } from "../archives.ts";
import { expect, setUp, signIn, test } from "../fixtures.ts";
import { createSubscription, line, startBackup } from "../subscriptions.ts";

test("from set-up to a downloaded backup", async ({ page, facts, open, checkAccessibility }) => {
    await open(facts.panels["no-js"].setup_url);
    await expect(page.getByRole("heading", { name: "Welcome to Holdfast" })).toBeVisible();
    await checkAccessibility();
    await setUp(page, facts.panels["no-js"].setup_url);
    await createSubscription(page, facts, { name: "Plain pages", connection: "direct" });
    await startBackup(page, "zip", "without scripts");
    // Without JavaScript the page is loaded again to see how far it is.
    await expect(async () => {
        await page.reload();
        await expect(line(page, "without scripts")).toContainText("Good", { timeout: 500 });
    }).toPass({ timeout: 60_000 });
    const [file] = await Promise.all([
        page.waitForEvent("download"),
        line(page, "without scripts").getByRole("link", { name: /^Download / }).click(),
    ]);
    expect(readZip(await file.path()).names).toContain("dump.sql");

    await open("/subscriptions");
    await page.getByRole("searchbox").fill("plain");
    await page.getByRole("button", { name: "Search" }).click();
    await expect(page.getByRole("link", { name: "Plain pages" })).toBeVisible();
    for (const [path, heading] of [
        ["/backup-servers", "Backup servers"],
        ["/operations", "Operations"],
        ["/action-log", "Action log"],
    ]) {
        await open(path);
        await expect(page.getByRole("heading", { name: heading, level: 1 })).toBeVisible();
        await expect(page.getByRole("main").getByRole("table")).toBeVisible();
    }
    await page.getByRole("button", { name: "Sign out" }).click();
    await open("/subscriptions");
    await expect(page).toHaveURL(/\/sign-in/);
    await signIn(page);
    await expect(page.getByRole("main").getByRole("link", { name: "Plain pages" })).toBeVisible();
});
