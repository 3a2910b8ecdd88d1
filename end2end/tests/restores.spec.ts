// Restores: the wizard with its checks and its typed name, the work, its summary, the undo, and a copy.
import { existsSync, readdirSync } from "node:fs";

import type { Page } from "@playwright/test";

import { sql } from "./archives.ts";
import { ADMINISTRATOR } from "./facts.ts";
import { expect, test } from "./fixtures.ts";
import { backedUp, folder, isWrecked, makeDatabase, openWizard, wrecked } from "./restorable.ts";
import { line } from "./subscriptions.ts";

/** Keeps which steps were shown as the present one; gives a function that reads them. */
async function watchSteps(page: Page) {
    await page.evaluate(() => {
        const seen = new Set<string>();
        (window as unknown as { steps: Set<string> }).steps = seen;
        new MutationObserver(() => {
            for (const step of document.querySelectorAll('[aria-current="step"]')) seen.add(step.textContent ?? "");
        }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    });
    return () => page.evaluate(() => [...(window as unknown as { steps: Set<string> }).steps].join("\n"));
}

test("a backup is restored into its database, and the restore is undone", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    test.setTimeout(180_000);
    const database = "worst_day";
    const { path, wizard } = await wrecked(page, facts, "Worst Day", database);

    await test.step("the wizard says what goes into what, and what that means", async () => {
        await expect(wizard).toContainText("Odoo 18.0");
        await expect(wizard).toContainText("none missing");
        await expect(wizard).toContainText(`This replaces the database ${database} entirely.`);
        await expect(wizard).toContainText("keeps the present database for 24 hours");
        await expect(wizard.getByLabel("Safety backup of the present database first")).toBeChecked();
        await expect(wizard.getByLabel("Neutralize the database")).not.toBeChecked();
        await expect(wizard.locator(".checks").getByText("Pass").first()).toBeVisible();
        await expect(wizard.locator(".checks").getByText("Stop", { exact: true })).toHaveCount(0);
        await checkAccessibility();
    });

    await test.step("only the right name opens the way", async () => {
        const button = wizard.getByRole("button", { name: `Replace ${database}` });
        await expect(button).toBeDisabled();
        await expect(wizard.locator("#restore-why")).toHaveText(`Type ${database} to confirm.`);
        await wizard.getByLabel("Type the database's name to confirm").fill("worst");
        await expect(button).toBeDisabled();
        await wizard.getByLabel("Type the database's name to confirm").fill(database);
        await expect(button).toBeEnabled();
        await expect(wizard.locator("#restore-why")).toHaveText("Written to the action log");
    });

    const steps = await watchSteps(page);
    await wizard.getByRole("button", { name: `Replace ${database}` }).click();
    await expect(page).toHaveURL(/\/operations\//);
    await expect(page.getByRole("heading", { name: "Restore of Worst Day", level: 1 })).toBeVisible();

    await test.step("the work is followed live and ends with a summary", async () => {
        await expect(page.getByText(`${database} is restored and verified.`)).toBeVisible({ timeout: 90_000 });
        expect(await steps(), "steps were shown live").toMatch(/Now/);
        const result = page.getByLabel("Result");
        await expect(result).toContainText(/Tables\d|\d+Tables/);
        await expect(result).toContainText(/(\d+) of \1/);
        await expect(result).toContainText("Neutralized");
        await expect(page.getByText("Undo is possible until")).toContainText(/2[34] h .*left|1 d left/);
        expect(isWrecked(facts, database)).toBe(false);
        await checkAccessibility();
    });

    await test.step("the safety backup is a line, and the subscription offers the undo", async () => {
        await open(path);
        await expect(line(page, "Before the restore of")).toContainText("safety");
        await expect(page.getByText(`${database} as it was before is still kept.`)).toBeVisible();
        await checkAccessibility();
        await page.getByRole("link", { name: "Undo restore" }).click();
        const dialog = page.getByRole("dialog", { name: "Undo this restore?" });
        await expect(dialog).toContainText(`${database} becomes what it was before this restore.`);
        await checkAccessibility();
    });

    await test.step("the undo asks for the name and brings the database back", async () => {
        const dialog = page.getByRole("dialog", { name: "Undo this restore?" });
        await dialog.getByLabel("Type the database's name to confirm").fill(database);
        await dialog.getByRole("button", { name: `Bring ${database} back` }).click();
        await expect(page.getByRole("heading", { name: "Undo of a restore of Worst Day", level: 1 })).toBeVisible();
        await expect(page.getByText(`${database} is as it was before the restore.`)).toBeVisible({ timeout: 60_000 });
        expect(isWrecked(facts, database)).toBe(true);
        await checkAccessibility();
        await page.getByRole("link", { name: "The restore of this backup" }).click();
        await expect(page.getByText("This restore was undone")).toBeVisible();
        await expect(page.getByRole("link", { name: "Undo restore" })).toHaveCount(0);
    });

    await test.step("operations and action log tell it", async () => {
        await open("/operations");
        const rows = page.getByRole("table", { name: "Operations" }).getByRole("row").filter({ hasText: "Worst Day" });
        await expect(rows.filter({ hasText: /^Restore/ })).toContainText(`into ${database}`);
        await expect(rows.filter({ hasText: /^Undo/ })).toContainText("Succeeded");
        await checkAccessibility();
        await open("/action-log?search=Worst%20Day");
        const entries = page.getByRole("table", { name: "Action log" }).getByRole("row");
        await expect(entries.filter({ hasText: /Restored/ }).first()).toContainText(ADMINISTRATOR.name);
        await expect(entries.filter({ hasText: /undo|undid|undone/i }).first()).toContainText(ADMINISTRATOR.name);
        await checkAccessibility();
    });
    const left = readdirSync(folder(facts, "")).filter((name) => name.startsWith(`${database}_`));
    expect(left, "folders that were left behind").toEqual([]);
});

test("a copy is made beside the database, neutralized, and a taken name stops it", async ({
    page,
    facts,
    checkAccessibility,
}) => {
    test.setTimeout(120_000);
    const [database, copy] = ["original", "original_test"];
    makeDatabase(facts, "taken");
    const { wizard } = await wrecked(page, facts, "Original", database);
    await wizard.getByLabel("Neutralize the database").check();
    await wizard.getByLabel("Restore into another database instead").check();
    await expect(wizard.getByLabel("Safety backup of the present database first")).toBeHidden();
    await expect(wizard.locator("#restore-why")).toHaveText("Enter the new database's name.");

    await wizard.getByLabel("Name of the new database").fill("taken");
    await wizard.getByLabel("Type the database's name to confirm").fill("taken");
    await expect(wizard.locator("#restore-why")).toHaveText(/stops? this restore\.$/);
    await expect(wizard.locator(".checks li.bad").first()).toContainText("Stop");
    await expect(wizard.getByRole("button", { name: "Create taken" })).toBeDisabled();
    await checkAccessibility();

    await wizard.getByLabel("Name of the new database").fill(copy);
    await wizard.getByLabel("Type the database's name to confirm").fill(copy);
    await expect(wizard).toContainText(`${copy} becomes a database of its own; ${database} is not touched.`);
    const button = wizard.getByRole("button", { name: `Create ${copy}` });
    await expect(button).toBeEnabled();
    await button.click();
    await expect(page.getByText(`${copy} is there, restored and verified.`)).toBeVisible({ timeout: 90_000 });
    await expect(page.getByLabel("Result")).toContainText("yes, verified");
    await expect(page.getByText("Undo is not offered:")).toBeVisible();
    await checkAccessibility();

    expect(isWrecked(facts, copy)).toBe(false);
    expect(isWrecked(facts, database), "the original is as it was").toBe(true);
    const value = (key: string, name: string) =>
        sql(facts.odoo.postgres_url, name, `SELECT value FROM ir_config_parameter WHERE key = '${key}'`);
    expect(value("database.is_neutralized", copy)).toMatch(/true/i);
    expect(value("database.uuid", copy)).not.toBe(value("database.uuid", database));
    expect(existsSync(folder(facts, copy)), "its filestore").toBe(true);
});

test("the undo window is set in the backup server's form, and 0 promises no undo", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    test.setTimeout(120_000);
    const path = await backedUp(page, facts, "No Window", "no_window");
    const setWindow = async (hours: string) => {
        await open("/backup-servers");
        await page.getByRole("link", { name: "This machine", exact: true }).click();
        await page.getByLabel("Undo window of restores, hours").fill(hours);
        await checkAccessibility();
        await page.getByRole("button", { name: "Save" }).click();
        await expect(page).toHaveURL(/\/backup-servers$/);
    };
    await setWindow("0");
    await open(path);
    await expect(await openWizard(page)).toContainText("Holdfast cannot either");
    await setWindow("24");
});
