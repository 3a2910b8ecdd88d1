// A page that was open while others went on: what it leads to is told in words, with the way back.
import { enter, expect, test } from "../fixtures.ts";
import { choose, createSubscription, line, startBackup } from "../subscriptions.ts";

// The browser itself notes answers above 399.
test.use({ expectedErrors: [/Failed to load resource/] });

test("a line that was deleted meanwhile leads back to the others; so does a link that was used up", async ({
    page,
    facts,
    open,
    context,
    checkAccessibility,
}) => {
    const link = facts.panels["no-js"].setup_url;
    await enter(page, link);
    await createSubscription(page, facts, { name: "Deleted meanwhile", connection: "direct" });
    const path = new URL(page.url()).pathname;
    await startBackup(page, "dump", "soon gone");
    await expect(async () => {
        await open(path);
        await expect(line(page, "soon gone")).toContainText("Good", { timeout: 500 });
    }).toPass({ timeout: 60_000 });

    const other = await context.newPage();
    await other.goto(path);
    await choose(other, "soon gone", /^Delete/);
    await other.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
    await expect(line(other, "soon gone")).toHaveCount(0);
    await other.close();

    await line(page, "soon gone").getByRole("link", { name: /^Download / }).click();
    await expect(page.getByRole("heading", { name: "This backup is not here any more", level: 1 })).toBeVisible();
    await expect(page.getByRole("main")).toContainText("It was deleted since the page with its link was opened");
    await checkAccessibility();
    await page.getByRole("link", { name: "Back to the backups" }).click();
    await expect(page).toHaveURL(new RegExp(`${path}$`));
    await expect(page.getByRole("heading", { name: "Deleted meanwhile", level: 1 })).toBeVisible();

    expect((await page.goto("/no-such-page"))?.status()).toBe(404);
    await expect(page.getByRole("heading", { name: "This page does not exist" })).toBeVisible();
    await checkAccessibility();

    await page.goto(link);
    await expect(page.getByRole("heading", { name: "This link does not work any more" })).toBeVisible();
    await checkAccessibility();
});
