// Signing in and out.
import { ADMINISTRATOR } from "./facts.ts";
import { expect, hydrated, SESSION, test } from "./fixtures.ts";

test.use({ storageState: { cookies: [], origins: [] } });

test("a page asks for sign-in first and opens afterwards; signing out closes it", async ({
    page,
    open,
    checkAccessibility,
}) => {
    await open("/operations");
    await expect(page).toHaveURL(/\/sign-in\?next=/);
    await checkAccessibility();
    await page.getByLabel("Email address").fill(ADMINISTRATOR.email.toUpperCase());
    await page.getByLabel("Password").fill(ADMINISTRATOR.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page).toHaveURL(/\/operations$/);
    await expect(page.getByRole("heading", { name: "Operations", level: 1 })).toBeVisible();
    await expect(page.getByRole("banner").getByText(ADMINISTRATOR.name)).toBeVisible();

    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page).toHaveURL(/\/sign-in/);
    await hydrated(page);
    await page.goto("/operations");
    await expect(page).toHaveURL(/\/sign-in/);
});

test.describe("with a wrong password", () => {
    // The browser itself notes answers above 399.
    test.use({ expectedErrors: [/Failed to load resource/] });

    test("nobody gets in, and the message names neither address nor password as the wrong one", async ({
        page,
        open,
        checkAccessibility,
    }) => {
        await open("/sign-in");
        await page.getByLabel("Email address").fill(ADMINISTRATOR.email);
        await page.getByLabel("Password").fill("not the right password");
        await page.getByRole("button", { name: "Sign in" }).click();
        const message = page.getByRole("alert").filter({ hasText: /\S/ });
        await expect(message).toHaveCount(1);
        const words = await message.innerText();
        await checkAccessibility();

        await page.getByLabel("Email address").fill("nobody@example.com");
        await page.getByLabel("Password").fill("not the right password");
        const answered = page.waitForResponse((response) => response.request().method() === "POST");
        await page.getByRole("button", { name: "Sign in" }).click();
        await answered;
        await expect(message).toHaveText(words);
        await expect(page).toHaveURL(/\/sign-in/);
    });
});

test.describe("an unknown address", () => {
    // Who is not signed in is asked to sign in first, whatever the address.
    test.use({ expectedErrors: [/404/], storageState: SESSION });

    test("answers 404 in words", async ({ page, checkAccessibility }) => {
        const answer = await page.goto("/no-such-page");
        expect(answer?.status()).toBe(404);
        await expect(page.getByRole("heading", { name: "This page does not exist" })).toBeVisible();
        await checkAccessibility();
    });
});
