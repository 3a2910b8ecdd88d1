// A restore and its undo without JavaScript: plain forms, a page that is loaded again, and a server that refuses.
import type { Page } from "@playwright/test";

import { enter, expect, test } from "../fixtures.ts";
import { isWrecked, wrecked } from "../restorable.ts";

/** Loads the page again until it says so. */
async function reloadedUntil(page: Page, words: string) {
    await expect(async () => {
        await page.reload();
        await expect(page.getByText(words)).toBeVisible({ timeout: 500 });
    }).toPass({ timeout: 90_000 });
}

test("from the line to the undo", async ({ page, facts }) => {
    test.setTimeout(180_000);
    const database = "plain_pages";
    await enter(page, facts.panels["no-js"].setup_url);
    const { wizard } = await wrecked(page, facts, "Plain restore", database);

    await wizard.getByLabel("Restore into another database instead").check();
    await wizard.getByLabel("Name of the new database").fill("plain_copy");
    await wizard.getByRole("button", { name: "Check again" }).click();
    await expect(wizard.getByRole("button", { name: "Create plain_copy" })).toBeVisible();
    await expect(wizard.getByLabel("Name of the new database")).toHaveValue("plain_copy");
    await wizard.getByLabel("Restore into another database instead").uncheck();
    await wizard.getByLabel("Name of the new database", { exact: true }).waitFor({ state: "hidden" });
    await wizard.getByRole("button", { name: "Check again" }).click();

    await wizard.getByLabel("Type the database's name to confirm").fill("something else");
    await wizard.getByRole("button", { name: `Replace ${database}` }).click();
    await expect(page.getByText(`Type the database's name, “${database}”`)).toBeVisible();
    expect(isWrecked(facts, database), "nothing was begun").toBe(true);

    await wizard.getByLabel("Type the database's name to confirm").fill(database);
    await wizard.getByRole("button", { name: `Replace ${database}` }).click();
    await expect(page.getByRole("heading", { name: "Restore of Plain restore", level: 1 })).toBeVisible();
    await reloadedUntil(page, `${database} is restored and verified.`);
    expect(isWrecked(facts, database)).toBe(false);

    await page.getByRole("link", { name: "Undo restore" }).click();
    const dialog = page.getByRole("dialog", { name: "Undo this restore?" });
    await dialog.getByLabel("Type the database's name to confirm").fill(database);
    await dialog.getByRole("button", { name: `Bring ${database} back` }).click();
    await expect(page.getByRole("heading", { name: "Undo of a restore of Plain restore", level: 1 })).toBeVisible();
    await reloadedUntil(page, `${database} is as it was before the restore.`);
    expect(isWrecked(facts, database)).toBe(true);
});
