// The first administrator, through the printed one-time link; the other tests use the session that comes of it.
import { ADMINISTRATOR } from "./facts.ts";
import { expect, SESSION, test } from "./fixtures.ts";

test("the printed link creates the first administrator, once", async ({ page, facts, open, checkAccessibility }) => {
    test.setTimeout(120_000);
    const link = facts.panels.hydrated.setup_url;
    await open("/subscriptions");
    await expect(page, "nobody gets in before").toHaveURL(/\/sign-in/);

    await open(link);
    await expect(page.getByRole("heading", { name: "Welcome to Holdfast" })).toBeVisible();
    await checkAccessibility();
    await page.getByLabel("Your name").fill(ADMINISTRATOR.name);
    await page.getByLabel("Email address").fill(ADMINISTRATOR.email);
    await page.getByLabel("Password").fill(ADMINISTRATOR.password);
    await page.getByRole("button", { name: "Create administrator" }).click();
    await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
    await expect(page.getByRole("heading", { name: "Nothing is backed up yet" })).toBeVisible();
    await expect(page.getByRole("link", { name: "New subscription" })).toHaveAttribute("href", "/subscriptions/new");
    await checkAccessibility();
    await open("/subscriptions");
    await expect(page.getByRole("heading", { name: "No subscriptions yet" })).toBeVisible();
    await checkAccessibility();
    await page.context().storageState({ path: SESSION });

    await page.context().clearCookies();
    await open(link);
    await expect(page.getByRole("heading", { name: "This link does not work any more" })).toBeVisible();
    await checkAccessibility();
});
