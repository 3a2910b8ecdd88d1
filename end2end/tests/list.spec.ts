// The list with many subscriptions: search, filter, sort and paging are the server's, and live in the address.
import { enter, expect, signIn, test } from "./fixtures.ts";

test.use({ panel: "seeded", storageState: { cookies: [], origins: [] } });

test("search, filter, sort and paging", async ({ page, facts, open, checkAccessibility }) => {
    await enter(page, facts.panels.seeded.setup_url);
    await open("/subscriptions");
    const rows = page.getByRole("table", { name: "Subscriptions" }).getByRole("row").filter({ has: page.getByRole("cell") });
    await expect(rows).toHaveCount(50);
    await expect(page.getByText("1–50 of 130")).toBeVisible();
    await checkAccessibility();

    const first = await rows.first().innerText();
    await page.getByRole("link", { name: "Next", exact: true }).click();
    await expect(page.getByText("51–100 of 130")).toBeVisible();
    expect(await rows.first().innerText()).not.toBe(first);
    await page.getByRole("link", { name: "Next", exact: true }).click();
    await expect(rows).toHaveCount(30);
    await expect(page.getByRole("link", { name: "Next", exact: true })).toHaveCount(0);
    await page.reload();
    await expect(page.getByText("101–130 of 130")).toBeVisible();

    const size = page.getByRole("columnheader", { name: "Latest, MB" });
    await size.getByRole("link").click();
    await expect(size).toHaveAttribute("aria-sort", /ascending|descending/);
    await expect(page.getByText("1–50 of 130")).toBeVisible();
    const direction = await size.getAttribute("aria-sort");
    await size.getByRole("link").click();
    await expect(size).not.toHaveAttribute("aria-sort", direction ?? "");

    const states = page.getByRole("list", { name: "Backup state" });
    let some = 0;
    for (const state of ["Normal", "Warning", "Danger", "Not configured"]) {
        const chip = states.getByRole("link", { name: new RegExp(`^${state}`) });
        const many = Number((await chip.innerText()).replace(/\D/g, ""));
        some += many;
        await chip.click();
        await expect(chip).toHaveAttribute("aria-current", "true");
        await expect(page.getByText(many === 0 ? "No subscription matches" : new RegExp(`of ${many}$`))).toBeVisible();
        for (const row of await rows.all()) await expect(row).toContainText(state);
    }
    expect(some, "every subscription has one state").toBe(130);

    await states.getByRole("link", { name: /^All/ }).click();
    await page.getByRole("searchbox").fill("hotel");
    await expect(page).toHaveURL(/search=hotel/);
    await expect(rows.first()).toContainText(/hotel/i);
    const found = await rows.allInnerTexts();
    expect(found.every((text) => /hotel/i.test(text))).toBe(true);
    await page.getByRole("searchbox").fill("nothing is called so");
    await expect(page.getByRole("heading", { name: "No subscription matches" })).toBeVisible();
    await checkAccessibility();
    await page.goBack();
    await expect(page.getByRole("searchbox")).not.toHaveValue("nothing is called so");
});

test("narrow screens show the same, without scrolling sideways", async ({ page, open, facts, checkAccessibility }) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open("/sign-in");
    await signIn(page);
    await open("/subscriptions");
    await expect(page.getByText("1–50 of 130")).toBeVisible();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow, `sideways scrolling on ${facts.panels.seeded.url}`).toBeLessThanOrEqual(0);
    await checkAccessibility();
});
