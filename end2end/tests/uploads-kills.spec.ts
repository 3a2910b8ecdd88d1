// An upload while panel and backup server are killed: it waits, and goes on where it stopped.
import { stopAll } from "../processes.mjs";
import { expect, hydrated, setUp, test } from "./fixtures.ts";
import { ownStack } from "./own-stack.ts";
import { fillSettings } from "./subscriptions.ts";
import { arrived, choose, CHUNK, holdChunks, noise, openImport, watchChunks } from "./uploads.ts";

test.use({ storageState: { cookies: [], origins: [] } });
test.afterAll(stopAll);

test("an upload goes on after a kill of the panel and of the backup server", async ({ page, facts, expectedErrors }) => {
    test.setTimeout(120_000);
    expectedErrors.push(/ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET|ERR_INCOMPLETE|ERR_NETWORK|status of 50[23]/);
    const { server, panel } = await ownStack(facts);
    await setUp(page, panel.secret);
    await page.goto(`${panel.url}/backup-servers/new`);
    await page.getByLabel("Name").fill("Of a test");
    await page.getByLabel("Address").fill(server.url);
    await page.getByLabel("Token").fill(server.secret);
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByRole("row").filter({ hasText: "Of a test" })).toBeVisible();
    await page.goto(`${panel.url}/subscriptions/new`);
    await fillSettings(page, facts, { name: "Killed", connection: "direct", server: "Of a test" });
    await page.getByRole("button", { name: "Create subscription" }).click();
    await expect(page.getByRole("heading", { name: "Killed", level: 1 })).toBeVisible();
    await page.reload();
    await hydrated(page);

    const wizard = await openImport(page);
    await choose(wizard, noise(facts, "killed.zip", 20));
    const held = await holdChunks(page);
    const chunks = watchChunks(page);
    let begun = 0;
    page.on("request", (request) => {
        if (request.method() === "POST" && request.url().endsWith("/uploads")) begun += 1;
    });
    held.letGo(3);
    await wizard.getByRole("button", { name: "Upload", exact: true }).click();
    await arrived(wizard, 3);

    server.kill();
    held.letGo(4);
    await expect(wizard.getByText("The backup server “Of a test” does not answer.")).toBeVisible();
    await server.start();
    await expect(wizard.getByText("Uploading", { exact: true })).toBeVisible({ timeout: 40_000 });
    // It may have lost what it had not made sure of before the kill; it says so, and that is sent again.
    held.letGo(10);
    await arrived(wizard, 7);

    panel.kill();
    held.letGo(18);
    await expect(wizard.getByText("The connection is lost")).toBeVisible();
    const before = chunks.length;
    await panel.start();
    await expect.poll(() => chunks.length, { timeout: 40_000 }).toBeGreaterThan(before);
    expect(chunks.at(before), "the first chunk after the panel came back").toBeGreaterThanOrEqual(7 * CHUNK);
    held.letGo(20);

    // All of it arrived; that it is no backup is what the import finds.
    await expect(wizard.getByText("killed.zip could not be imported.")).toBeVisible({ timeout: 60_000 });
    expect(begun, "it never began again").toBe(1);
    expect(Math.max(...chunks)).toBe(19 * CHUNK);
});
