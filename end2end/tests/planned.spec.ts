// Schedules, retention and Back up now for several: the form with its previews, the lines with their reasons.
import { expect, test } from "./fixtures.ts";
import { createSubscription, line, startBackup } from "./subscriptions.ts";

test.describe("a plan that is refused on the way", () => {
    // The browser says so of an expression that is none.
    test.use({ expectedErrors: [/Failed to load resource/] });

    test("the schedule's form shows the next runs before it is saved, and keeps what was saved", async ({
        page,
        facts,
        open,
        checkAccessibility,
    }) => {
        await createSubscription(page, facts, { name: "Planned", connection: "direct" });
        const path = new URL(page.url()).pathname;
        await open(`${path}?tab=general`);
        const runs = page.getByRole("status", { name: "Next runs" });
        await expect(runs).toContainText("The schedule is off");
        await page.getByLabel("Back up by schedule").check();
        await page.getByLabel("Spread, minutes").fill("0");
        await page.getByLabel("Times", { exact: true }).fill("06:30, 18:30");
        await page.getByLabel("Time zone").fill("Europe/Berlin");
        await page.getByLabel("Planned backups hold").selectOption({ label: "Database only" });
        await expect(runs.getByRole("listitem")).toHaveCount(5);
        await expect(runs.getByRole("listitem").first()).toContainText(/(06|18):30 CES?T/);
        await checkAccessibility();

        await page.getByRole("radio", { name: /^Cron expression/ }).check();
        await page.getByLabel("Cron expression", { exact: true }).fill("every night");
        await page.getByRole("button", { name: "Preview" }).click();
        await expect(runs).toContainText("This is no cron expression");
        await page.getByRole("button", { name: "Save changes" }).click();
        await expect(page.locator("#input-cron-about")).toContainText("This is no cron expression");
        await page.getByLabel("Cron expression", { exact: true }).fill("15 4 * * mon-fri");
        await page.getByRole("button", { name: "Preview" }).click();
        await expect(runs.getByRole("listitem").first()).toContainText("04:15");

        await page.getByRole("radio", { name: /^Every week/ }).check();
        await page.getByLabel("Day of the week").selectOption({ label: "Wednesday" });
        await page.getByLabel("Times", { exact: true }).fill("22:00");
        await page.getByRole("button", { name: "Preview" }).click();
        for (const run of await runs.getByRole("listitem").all()) await expect(run).toContainText(/^Wed .*, 22:00/);
        await page.getByRole("button", { name: "Save changes" }).click();
        await expect(page.getByText("Changes saved")).toBeVisible();
        await open(`${path}?tab=general`);
        await expect(page.getByLabel("Back up by schedule")).toBeChecked();
        await expect(page.getByRole("radio", { name: /^Every week/ })).toBeChecked();
        await expect(page.getByLabel("Time zone")).toHaveValue("Europe/Berlin");
        await expect(runs.getByRole("listitem").first()).toContainText(/^Wed /);
        await page.getByLabel("Back up by schedule").uncheck();
        await page.getByRole("button", { name: "Save changes" }).click();
        await expect(page.getByText("Changes saved")).toBeVisible();
    });
});

test("lines say why they are kept, the form what would go, and retention removes it", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    await createSubscription(page, facts, { name: "Kept", connection: "direct" });
    const path = new URL(page.url()).pathname;
    await open(path);
    for (const comment of ["the first", "the second", "the third"]) {
        await startBackup(page, "dump", comment);
        await expect(line(page, comment)).toContainText("Good", { timeout: 60_000 });
    }
    await expect(line(page, "the third")).toContainText("Kept as: daily, weekly, monthly, latest");
    await expect(line(page, "the first")).toContainText("Kept as: latest");

    await page.getByRole("link", { name: "General", exact: true }).click();
    const preview = page.getByRole("status", { name: "What retention would do" });
    await expect(preview).toContainText("all 3 backups stay");
    await page.getByLabel("Keep latest").fill("2");
    await page.getByRole("button", { name: "Preview" }).click();
    await expect(preview).toContainText("1 backup would be removed");
    await expect(preview.getByRole("list", { name: "Would be removed" }).getByRole("listitem")).toHaveCount(1);
    await preview.getByText("2 backups would stay").click();
    await expect(preview.getByRole("list", { name: "Would stay" })).toContainText("daily, weekly, monthly, latest");
    await checkAccessibility();
    await page.getByRole("button", { name: "Save changes" }).click();
    await expect(page.getByText("Changes saved")).toBeVisible();

    await page.getByRole("link", { name: "Backups", exact: true }).click();
    await expect(line(page, "the first")).toContainText("Not kept by the rule");
    await checkAccessibility();
    await page.getByRole("button", { name: "Apply retention now" }).click();
    await expect(page.getByRole("heading", { name: "Retention of Kept", level: 1 })).toBeVisible();
    await expect(page.getByText(/^Removed the backup /)).toBeVisible({ timeout: 60_000 });
    await expect(page.getByText(/^Freed /)).toBeVisible({ timeout: 60_000 });
    await open(path);
    await expect(line(page, "the second")).toContainText("Kept as: latest");
    await expect(line(page, "the first")).toHaveCount(0);
    await expect(page.getByText("Retention keeps every backup here")).toBeVisible();
});

test("several subscriptions are backed up at once from the list", async ({ page, facts, open, checkAccessibility }) => {
    for (const name of ["Chosen one", "Chosen two", "Left alone"]) {
        await createSubscription(page, facts, { name, connection: "direct" });
    }
    await open("/subscriptions");
    await page.getByLabel("Choose Chosen one").check();
    await page.getByLabel("Choose Chosen two").check();
    await checkAccessibility();
    await page.getByRole("button", { name: "Back up 2 now" }).click();
    await expect(page.getByRole("heading", { name: "Operations", level: 1 })).toBeVisible();
    const table = page.getByRole("table", { name: "Operations" });
    for (const name of ["Chosen one", "Chosen two"]) {
        await expect(table.getByRole("row").filter({ hasText: name })).toContainText("Succeeded", { timeout: 60_000 });
    }
    await expect(table.getByRole("row").filter({ hasText: "Left alone" })).toHaveCount(0);
});
