// Schedule, retention's preview and Back up now for several without JavaScript.
import { enter, expect, test } from "../fixtures.ts";
import { createSubscription } from "../subscriptions.ts";

test("a plan is previewed, saved, and several are backed up", async ({ page, facts, open }) => {
    await enter(page, facts.panels["no-js"].setup_url);
    await createSubscription(page, facts, { name: "Plain plan", connection: "direct" });
    const path = new URL(page.url()).pathname;
    await open("/subscriptions");
    await page.getByLabel("Choose Plain plan").check();
    await page.getByRole("button", { name: "Back up chosen ones now" }).click();
    await expect(page.getByRole("heading", { name: "Operations", level: 1 })).toBeVisible();
    await expect(page.getByRole("row").filter({ hasText: "Plain plan" })).toHaveCount(1);
    await expect(async () => {
        await open(path);
        await expect(page.getByText("Kept as: daily, weekly, monthly, latest")).toBeVisible({ timeout: 500 });
    }).toPass({ timeout: 60_000 });

    await open(`${path}?tab=general`);
    await page.getByLabel("Back up by schedule").check();
    await page.getByLabel("Times", { exact: true }).fill("05:45");
    await page.getByLabel("Spread, minutes").fill("0");
    await page.getByLabel("Time zone").fill("America/New_York");
    await page.getByLabel("Daily backups").fill("3");
    await page.getByRole("button", { name: "Preview" }).click();
    const runs = page.getByRole("status", { name: "Next runs" });
    await expect(runs.getByRole("listitem")).toHaveCount(5);
    await expect(runs.getByRole("listitem").first()).toContainText(/05:45 E[SD]T/);
    await expect(page.getByRole("status", { name: "What retention would do" })).toContainText("the one backup stays");
    await expect(page.getByLabel("Daily backups")).toHaveValue("3");
    await page.getByRole("button", { name: "Save changes" }).click();
    await open(`${path}?tab=general`);
    await expect(page.getByLabel("Daily backups")).toHaveValue("3");
    await expect(page.getByLabel("Times", { exact: true })).toHaveValue("05:45");
    await page.getByLabel("Back up by schedule").uncheck();
    await page.getByRole("button", { name: "Save changes" }).click();
});
