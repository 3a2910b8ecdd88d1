// What tests do with backup servers.
import { expect, type Page } from "@playwright/test";

import type { Facts } from "./facts.ts";

/** The name that the separately started process gets. */
export const SEPARATE = "Separate process";

/** Adds the separately started process, if it is not there yet; ends on the list. */
export async function addServer(page: Page, facts: Facts) {
    await page.goto("/backup-servers");
    const row = page.getByRole("row").filter({ hasText: SEPARATE });
    await expect(page.getByRole("row").filter({ hasText: "This machine" })).toBeVisible();
    if ((await row.count()) > 0) return;
    await page.goto("/backup-servers/new");
    await page.getByLabel("Name").fill(SEPARATE);
    await page.getByLabel("Address").fill(facts.backup_server.url);
    await page.getByLabel("Token").fill(facts.backup_server.token);
    await page.getByRole("button", { name: "Save" }).click();
    await expect(row).toBeVisible();
}
