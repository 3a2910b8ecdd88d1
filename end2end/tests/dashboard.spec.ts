// The overview: what is seen first, its charts with their tables, and states that change merely because time passes.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

import type { Page } from "@playwright/test";

import type { Facts } from "./facts.ts";
import { enter, expect, test } from "./fixtures.ts";

test.use({ panel: "seeded", storageState: { cookies: [], origins: [] } });

const tile = (page: Page, state: string) =>
    page.getByRole("list", { name: "Subscriptions by state" }).getByRole("link", { name: new RegExp(state) });

async function count(page: Page, state: string) {
    return Number((await tile(page, state).locator("b").innerText()).replace(/\D/g, ""));
}

/** Changes the seeded panel's database from outside. */
function change(facts: Facts, sql: string) {
    const code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=20); c.execute(sys.argv[2]); c.commit()";
    execFileSync("python3", ["-c", code, join(facts.folder, "panel-seeded", "holdfast.sqlite"), sql]);
}

test("everything at a glance, each number a link, each chart with its table", async ({ page, facts, open, checkAccessibility }) => {
    await enter(page, facts.panels.seeded.setup_url);
    await open("/");
    await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
    let all = 0;
    for (const state of ["Normal", "Warning", "Danger", "Not configured"]) all += await count(page, state);
    expect(all).toBe(130);

    const failures = page.getByRole("region", { name: "Failures of the last day" });
    await expect(failures.getByRole("listitem").first()).toContainText("The database server does not answer.");
    await expect(failures.getByRole("link").first()).toHaveAttribute("href", /^\/operations\//);
    const storage = page.getByRole("region", { name: "Storage" });
    await expect(storage.getByText(/^Full in about \d+ days, at /).first()).toBeVisible();
    await expect(storage.getByText("Not growing over the last weeks.", { exact: true })).toBeVisible();
    await expect(storage.getByRole("img", { name: /^Space of Seeded server 3/ })).toBeVisible();
    const weeks = page.getByRole("region", { name: "The last four weeks" });
    await expect(weeks.getByRole("img")).toHaveCount(10);
    await expect(weeks.getByRole("img").first()).toHaveAccessibleName(/^The last four weeks of .+ Of \d+ days, \d+ had a good backup/);
    await weeks.getByText("The days as a table").click();
    await expect(weeks.getByRole("row")).toHaveCount(11);
    await checkAccessibility();
    await weeks.getByRole("link", { name: "Next", exact: true }).click();
    await expect(page).toHaveURL(/\/\?page=2$/);
    await expect(weeks.getByText("11–20 of")).toBeVisible();

    await page.setViewportSize({ width: 390, height: 844 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow, "sideways scrolling").toBeLessThanOrEqual(0);
    await checkAccessibility();
    const warning = await count(page, "Warning");
    await tile(page, "Warning").click();
    await expect(page).toHaveURL(/\/subscriptions\?state=warning$/);
    await expect(page.getByText(warning === 0 ? "No subscription matches" : new RegExp(`of ${warning}$`))).toBeVisible();
});

test("a state that changes because time passes shows on open pages without a reload", async ({ page, facts, open, context }) => {
    await enter(page, facts.panels.seeded.setup_url);
    await open("/subscriptions?search=00007");
    const row = page.getByRole("row").filter({ hasText: "customer-00007" });
    const path = (await row.getByRole("link").first().getAttribute("href")) ?? "";
    const pages = await Promise.all([context.newPage(), context.newPage(), context.newPage()]);
    const addresses = ["/", "/subscriptions?search=00007", path];
    // In a few seconds its latest backup will be a day old.
    change(facts, `UPDATE subscriptions SET latest_good_at = ${Date.now() - 86_400_000 + 8_000} WHERE database_name = 'customer-00007'`);
    const [overview, list, own] = pages;
    for (const [at, other] of pages.entries()) {
        await other.clock.install();
        await other.goto(addresses[at]);
        await expect(other.locator("html[data-hydrated]")).toBeAttached();
    }
    const normal = await count(overview, "Normal");
    const badge = (where: Page) => where.getByRole("main").getByText(/^(Normal|Warning)/).first();
    await expect(list.getByRole("row").filter({ hasText: "customer-00007" })).toContainText("Normal");
    await expect(badge(own)).toHaveText("Normal · 23 h ago");
    await overview.getByText("The days as a table").click();
    // The pages ask once a minute; a minute of theirs takes no time here, the server's seconds do.
    await expect(async () => {
        for (const other of pages) await other.clock.runFor(61_000);
        await expect(badge(own)).toHaveText("Warning · 1 d ago", { timeout: 500 });
    }).toPass({ timeout: 30_000 });
    await expect(list.getByRole("row").filter({ hasText: "customer-00007" })).toContainText("Warning");
    await expect.poll(() => count(overview, "Normal")).toBe(normal - 1);
    await expect(overview.getByRole("region", { name: "The last four weeks" }).getByRole("row"), "stays open").toHaveCount(11);
});
