// Download links that cannot be used, opened by a person: each page says what happened and what to do.
import type { APIRequestContext, Page } from "@playwright/test";

import type { Facts } from "./facts.ts";
import { expect, test } from "./fixtures.ts";
import { addServer, SEPARATE } from "./servers.ts";
import { choose, createSubscription, line, startBackup } from "./subscriptions.ts";

// The browser itself notes answers above 399.
test.use({ expectedErrors: [/Failed to load resource/] });

/** A link of the backup server's own, with its identity. */
async function makeLink(request: APIRequestContext, facts: Facts, backup: string, seconds: number) {
    const { url, token } = facts.backup_server;
    const answer = await request.post(`${url}/v1/${backup}/links`, {
        headers: { authorization: `Bearer ${token}` },
        data: { expires_in_seconds: seconds },
    });
    expect(answer.status()).toBe(201);
    const { id, path } = (await answer.json()) as { id: string; path: string };
    return { id, address: url.replace(/\/$/, "") + path };
}

async function refused(page: Page, address: string, status: number, title: string, what: RegExp) {
    const answer = await page.goto(address);
    expect(answer?.status()).toBe(status);
    await expect(page).toHaveTitle(`${title} · Holdfast`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(title);
    await expect(page.getByRole("main")).toContainText(what);
}

test("one that was altered, withdrawn, has ended, or whose backup is gone", async ({
    page,
    facts,
    open,
    request,
    checkAccessibility,
}) => {
    await addServer(page, facts);
    await createSubscription(page, facts, { name: "Linked", connection: "direct", server: SEPARATE });
    const path = new URL(page.url()).pathname;
    await open(`${path}?tab=general`);
    const repository = await page.getByLabel("Backup UUID", { exact: true }).inputValue();
    await open(path);
    await startBackup(page, "dump", "linked to");
    await expect(line(page, "linked to")).toContainText("Good", { timeout: 60_000 });
    const backup = `repositories/${repository}/backups/${await line(page, "linked to").locator(".uuid").textContent()}`;
    const [short, withdrawn, kept] = [
        await makeLink(request, facts, backup, 1),
        await makeLink(request, facts, backup, 900),
        await makeLink(request, facts, backup, 900),
    ];
    expect((await request.get(kept.address)).status(), "a link that can be used").toBe(200);

    const altered = kept.address.slice(0, -1) + (kept.address.endsWith("A") ? "Q" : "A");
    await refused(page, altered, 403, "This link cannot be used", /altered .* Choose Download in the panel for a new link/);
    await checkAccessibility();

    const headers = { authorization: `Bearer ${facts.backup_server.token}` };
    expect((await request.delete(`${facts.backup_server.url}/v1/links/${withdrawn.id}`, { headers })).status()).toBe(204);
    await refused(page, withdrawn.address, 410, "This link does not work any more", /was withdrawn\. .* choose Download/);
    await checkAccessibility();

    await expect.poll(async () => (await request.head(short.address)).status()).toBe(410);
    await refused(page, short.address, 410, "This link does not work any more", /has ended\. .* choose Download/);
    await checkAccessibility();

    await open(path);
    await choose(page, "linked to", /^Delete/);
    await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
    await expect(line(page, "linked to")).toHaveCount(0);
    await refused(page, kept.address, 404, "This backup is not here any more", /was deleted .* Choose another backup/);
    await checkAccessibility();
});

test("the panel's own server: its page leads back to the panel", async ({ page, open, checkAccessibility }) => {
    await refused(page, "/this-machine/v1/downloads/nonsense", 403, "This link cannot be used", /Choose Download in the panel/);
    await checkAccessibility();
    await page.getByRole("link", { name: "Go to the panel" }).click();
    await expect(page.getByRole("heading", { name: "Subscriptions", level: 1 })).toBeVisible();
    await open("/subscriptions");
});

test("a line that is not there, opened from nowhere", async ({ page, checkAccessibility }) => {
    const unknown = "/lines/00000000-0000-4000-8000-000000000000/download";
    await refused(page, unknown, 404, "This backup is not here any more", /Choose another backup; the action log says who/);
    await checkAccessibility();
    await page.getByRole("link", { name: "Go to the subscriptions" }).click();
    await expect(page.getByRole("heading", { name: "Subscriptions", level: 1 })).toBeVisible();
});
