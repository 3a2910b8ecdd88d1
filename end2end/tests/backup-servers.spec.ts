// Backup servers: the built-in one, and a separately started process.
import { expect, test } from "./fixtures.ts";
import { addServer, SEPARATE } from "./servers.ts";

test("the built-in server is there and cannot be removed", async ({ page, open, checkAccessibility }) => {
    await open("/backup-servers");
    const row = page.getByRole("row").filter({ hasText: "This machine" });
    await expect(row).toContainText("Reachable");
    await expect(row).toContainText(/B free of \d/);
    await checkAccessibility();
    await row.getByRole("link", { name: "This machine", exact: true }).click();
    await expect(page.getByRole("heading", { name: "This machine", level: 1 })).toBeVisible();
    await expect(page.getByLabel("Token")).toHaveCount(0);
    await expect(page.getByRole("button", { name: "Remove server" })).toHaveCount(0);
    await checkAccessibility();
});

test.describe("a wrong token or address", () => {
    test.use({ expectedErrors: [/Failed to load resource/] });

    test("is refused in words, and nothing is saved", async ({ page, open, facts, checkAccessibility }) => {
        await open("/backup-servers/new");
        await page.getByLabel("Name").fill("Mistyped");
        await page.getByLabel("Address").fill(facts.backup_server.url);
        await page.getByLabel("Token").fill("not-the-token");
        await page.getByRole("button", { name: "Test", exact: true }).click();
        const message = page.getByRole("alert").filter({ hasText: /\S/ });
        await expect(message.first()).toContainText(/token/i);
        await checkAccessibility();

        // A port that nothing listens on.
        await page.getByLabel("Address").fill("http://127.0.0.1:9");
        await page.getByRole("button", { name: "Test", exact: true }).click();
        await expect(message.first()).toContainText(/No connection to this address/);
        await page.getByRole("button", { name: "Save" }).click();
        await expect(message.first()).toContainText(/No connection to this address/);
        await open("/backup-servers");
        await expect(page.getByRole("row").filter({ hasText: "Mistyped" })).toHaveCount(0);
    });
});

test("a separate server is tested, added, renamed and removed", async ({ page, open, facts, checkAccessibility }) => {
    await open("/backup-servers/new");
    await checkAccessibility();
    await page.getByLabel("Name").fill("Frankfurt");
    await page.getByLabel("Address").fill(facts.backup_server.url);
    await page.getByLabel("Token").fill(facts.backup_server.token);
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await expect(page.getByText("It answers.")).toBeVisible();
    await expect(page.getByText(/pg_dump: \d+/)).toBeVisible();
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page).toHaveURL(/\/backup-servers$/);
    const row = page.getByRole("row").filter({ hasText: "Frankfurt" });
    await expect(row).toContainText("Reachable");
    await expect(row).toContainText(facts.backup_server.url);

    await row.getByRole("link", { name: "Frankfurt", exact: true }).click();
    await expect(page.getByLabel("Token"), "a secret never comes back").toHaveValue("");
    await page.getByLabel("Name").fill("Frankfurt 2");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page).toHaveURL(/\/backup-servers$/);
    await page.getByRole("link", { name: "Frankfurt 2", exact: true }).click();
    await page.getByText("Remove this server from the panel").click();
    await checkAccessibility();
    await page.getByRole("button", { name: "Remove server" }).click();
    await expect(page).toHaveURL(/\/backup-servers$/);
    await expect(page.getByRole("row").filter({ hasText: "Frankfurt" })).toHaveCount(0);

    await addServer(page, facts);
    await expect(page.getByRole("row").filter({ hasText: SEPARATE })).toContainText("Reachable");
});
