// The overview without JavaScript.
import { expect, signIn, test } from "../fixtures.ts";

test("the overview is drawn by the server", async ({ page, open }) => {
    await open("/sign-in");
    await signIn(page);
    await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
    const tiles = page.getByRole("list", { name: "Subscriptions by state" });
    await expect(tiles.getByRole("link")).toHaveCount(4);
    const weeks = page.getByRole("region", { name: "The last four weeks" });
    await expect(weeks.getByRole("img", { name: /^The last four weeks of Plain pages/ })).toBeVisible();
    await weeks.getByText("The days as a table").click();
    await expect(weeks.getByRole("row").filter({ hasText: "Plain pages" })).toBeVisible();
    await weeks.getByRole("link", { name: "Plain pages" }).click();
    await expect(page.getByRole("img", { name: /^The last 18 weeks, day by day/ })).toBeVisible();
    await expect(page.getByRole("img", { name: /^Size of the backups' files/ })).toBeVisible();
    await page.getByText("Each file as a table").click();
    await expect(page.getByRole("region", { name: "Each file" }).getByRole("row").nth(1)).toContainText(".zip");
    await page.goto("/");
    await tiles.getByRole("link", { name: /Normal/ }).click();
    await expect(page).toHaveURL(/\/subscriptions\?state=normal$/);
});
