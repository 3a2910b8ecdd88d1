// The heads of tables sort: followed once and once more, they turn the order round, say so, and keep it on the next page.
import type { Locator, Page } from "@playwright/test";

import { enter, expect, test } from "./fixtures.ts";

test.use({ panel: "seeded", storageState: { cookies: [], origins: [] } });

/** Follows a head; gives how the table is sorted then, and that the others do not say so. */
async function follow(table: Locator, name: string) {
    const heads = table.getByRole("columnheader");
    const head = heads.filter({ has: table.page().getByRole("link", { name, exact: true }) });
    const before = (await head.getAttribute("aria-sort")) ?? "";
    await head.getByRole("link").click();
    await expect(head).not.toHaveAttribute("aria-sort", before);
    await expect(heads.and(table.locator("[aria-sort=ascending], [aria-sort=descending]"))).toHaveCount(1);
    return head.getAttribute("aria-sort");
}

/** The figures of the last column. */
async function sizes(page: Page) {
    const texts = await page.getByRole("row").locator("td:last-child").allInnerTexts();
    return texts.map((text) => Number(text.replace(/^.*MB|,|\s/g, "")));
}

const sorted = (numbers: number[]) => [...numbers].sort((one, other) => one - other);

for (const javaScriptEnabled of [true, false]) {
    test.describe(javaScriptEnabled ? "with scripts" : "without scripts", () => {
        test.use({ javaScriptEnabled });

        test("heads of both tables sort both ways, and the order goes on from page to page", async ({ page, facts, open }) => {
            await enter(page, facts.panels.seeded.setup_url);
            await open("/subscriptions");
            const table = page.getByRole("table", { name: "Subscriptions" });
            await expect(table.getByRole("columnheader", { name: "Subscription", exact: true })).toHaveAttribute("aria-sort", "ascending");
            for (const name of ["Database", "Odoo", "Backup server", "Backup state", "Latest backup", "Backups", "Subscription"]) {
                expect(new Set([await follow(table, name), await follow(table, name)]), name).toEqual(
                    new Set(["ascending", "descending"]),
                );
            }

            expect(await follow(table, "Latest, MB")).toBe("descending");
            const next = page.getByRole("link", { name: "Next", exact: true });
            const found = await sizes(page);
            for (const said of ["51–100 of 130", "101–130 of 130"]) {
                await next.click();
                await expect(page.getByText(said)).toBeVisible();
                found.push(...(await sizes(page)));
            }
            expect(found).toHaveLength(130);
            expect(found).toEqual(sorted(found).reverse());
            expect(await follow(table, "Latest, MB")).toBe("ascending");
            await expect(page.getByText("1–50 of 130"), "from the first page on").toBeVisible();
            expect(await sizes(page)).toEqual(sorted(found).slice(0, 50));

            await table.getByRole("row").nth(1).getByRole("link").first().click();
            const lines = page.getByRole("table", { name: "Backups" });
            await expect(lines.getByRole("columnheader", { name: "Created" })).toHaveAttribute("aria-sort", "descending");
            for (const name of ["Created", "Backup", "Size, MB", "Trigger"]) {
                expect(new Set([await follow(lines, name), await follow(lines, name)]), name).toEqual(
                    new Set(["ascending", "descending"]),
                );
            }
        });
    });
}
