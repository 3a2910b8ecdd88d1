// A form that is refused, without JavaScript: the page that comes back tells what is wrong at its field, and holds what
// was typed, apart from secrets.
import { ADMINISTRATOR } from "../facts.ts";
import { enter, expect, test } from "../fixtures.ts";
import { createSubscription } from "../subscriptions.ts";

test("the form of a subscription", async ({ page, facts, open }) => {
    await enter(page, facts.panels["no-js"].setup_url);
    await open("/subscriptions/new");
    await page.getByLabel("Customer or name").fill("Typed & kept <b>");
    await page.getByLabel("Database", { exact: true }).fill("no such name");
    await page.getByLabel("PostgreSQL and filestore").check();
    await page.getByLabel("Connection URL").fill("postgres://odoo:hunter2@db.example.com/");
    await page.getByLabel("Filestore folder").fill("/srv/filestore");
    await page.getByLabel("Addons folders").fill("/srv/addons\n/srv/more");
    await page.getByLabel("Backup server").selectOption({ label: "None (not configured)" });
    await page.getByLabel("Weekly backups").fill("9");
    await page.getByRole("button", { name: "Create subscription" }).click();

    const database = page.getByLabel("Database", { exact: true });
    await expect(database).toHaveAttribute("aria-invalid", "true");
    await expect(database).toHaveAccessibleDescription(/letters|digits/i);
    await expect(database).toHaveValue("no such name");
    await expect(page.getByLabel("Customer or name")).toHaveValue("Typed & kept <b>");
    await expect(page.getByLabel("PostgreSQL and filestore")).toBeChecked();
    await expect(page.getByLabel("Connection URL"), "a secret").toHaveValue("");
    await expect(page.getByLabel("Filestore folder")).toHaveValue("/srv/filestore");
    await expect(page.getByLabel("Addons folders")).toHaveValue(/^\s*\/srv\/addons\n\/srv\/more\s*$/);
    await expect(page.getByLabel("Backup server")).toHaveValue("");
    await expect(page.getByLabel("Weekly backups")).toHaveValue("9");
    expect(await page.content()).not.toContain("hunter2");
    expect(page.url(), "nor in the history").not.toMatch(/hunter2|filestore/);

    // A second refusal tells of what is wrong now.
    await database.fill("kept");
    await page.getByLabel("Keep latest").fill("0");
    await page.getByRole("button", { name: "Create subscription" }).click();
    await expect(page.getByLabel("Keep latest")).toHaveAttribute("aria-invalid", "true");
    await expect(database).not.toHaveAttribute("aria-invalid");
    await expect(database).toHaveValue("kept");

    await page.getByLabel("Keep latest").fill("3");
    await page.getByLabel("Connection URL").fill("postgres://odoo:hunter2@db.example.com/");
    await page.getByRole("button", { name: "Create subscription" }).click();
    await expect(page.getByRole("heading", { name: "Typed & kept <b>", level: 1 })).toBeVisible();
});

test("a dialog, and the sign-in page", async ({ page, facts, open, checkAccessibility }) => {
    await enter(page, facts.panels["no-js"].setup_url);
    await createSubscription(page, facts, { name: "Words in a dialog", connection: "direct" });
    const path = new URL(page.url()).pathname;
    await open(`${path}?wizard=create-backup`);
    const dialog = page.getByRole("dialog", { name: "Create backup" });
    const comment = dialog.getByLabel("Comment");
    await dialog.getByLabel("Database only").check();
    await comment.evaluate((element) => element.removeAttribute("maxlength"));
    await comment.fill("y".repeat(1001));
    await dialog.getByRole("button", { name: "Create backup" }).click();
    await expect(comment).toHaveAccessibleDescription(/at most 1,000 characters/);
    await expect(dialog.getByLabel("Database only")).toBeChecked();
    await expect(comment).toHaveValue(/^\s*y{1001}\s*$/);

    await page.context().clearCookies();
    await open("/sign-in");
    await page.getByLabel("Email address").fill(ADMINISTRATOR.email);
    await page.getByLabel("Password").fill("not the right password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert").filter({ hasText: /\S/ })).toHaveCount(1);
    await expect(page.getByLabel("Email address")).toHaveValue(ADMINISTRATOR.email);
    await expect(page.getByLabel("Password")).toHaveValue("");
    await checkAccessibility();
});
