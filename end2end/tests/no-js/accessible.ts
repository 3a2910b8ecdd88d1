// Every page without JavaScript, found by following every link: readable for everybody, in light and in dark.
import type { Page } from "@playwright/test";

import { enter, expect, test } from "../fixtures.ts";
import { createSubscription, line, startBackup } from "../subscriptions.ts";

const ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** What decides which page, tab or dialog an address shows; the rest is search, order and which record. */
const DECIDES = ["tab", "wizard", "source", "edit", "checked"];

/** The same for addresses that show the same page of different records. */
function kindOf(address: string) {
    const { pathname, searchParams } = new URL(address);
    const shown = DECIDES.filter((name) => searchParams.has(name)).map((name) => `${name}=${searchParams.get(name)}`);
    return [pathname, ...shown].join(" ").replace(ID, ":id");
}

/** The pages that a page links to. */
async function linked(page: Page): Promise<string[]> {
    const all = await page.locator("a[href]").evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).href));
    const { origin } = new URL(page.url());
    return all.map((address) => address.split("#")[0]).filter((address) => {
        const url = new URL(address);
        return url.origin === origin && !url.pathname.endsWith("/download");
    });
}

/** Opens every page that can be reached from the overview, one of each kind; gives what kinds there are. */
async function visitAll(page: Page, visit: (address: string) => Promise<void>) {
    const [waiting, met] = [[new URL("/", page.url()).href], new Set<string>(["/"])];
    for (let address = waiting.shift(); address; address = waiting.shift()) {
        await visit(address);
        for (const next of await linked(page)) {
            if (met.has(kindOf(next))) continue;
            met.add(kindOf(next));
            waiting.push(next);
        }
    }
    return [...met];
}

test("every page, tab and dialog behind the sign-in", async ({ page, facts, open, checkAccessibility }) => {
    test.setTimeout(400_000);
    await enter(page, facts.panels["no-js"].setup_url);
    await createSubscription(page, facts, { name: "Plain to everybody", connection: "direct" });
    const path = new URL(page.url()).pathname;
    await startBackup(page, "zip", "for all to read");
    await expect(async () => {
        await open(path);
        await expect(line(page, "for all to read")).toContainText("Good", { timeout: 500 });
    }).toPass({ timeout: 60_000 });
    await open("/alerts/new");
    await page.getByRole("radio", { name: /^ntfy/ }).check();
    await page.getByLabel("Name").fill("Plain topic");
    await page.getByLabel("Address", { exact: true }).fill("https://ntfy.example.com/plain");
    await page.getByRole("button", { name: "Save channel" }).click();
    await expect(page.getByRole("row").filter({ hasText: "Plain topic" })).toBeVisible();

    const kinds = await visitAll(page, async (address) => {
        await open(address);
        await expect(page.getByRole("heading", { level: 1 }), address).toHaveCount(1);
        await checkAccessibility();
    });
    await open("/alerts");
    await page.getByRole("link", { name: "Plain topic", exact: true }).click();
    await page.getByText("Delete this channel …").click();
    await page.getByRole("button", { name: "Delete channel" }).click();
    await expect(page.getByRole("row").filter({ hasText: "Plain topic" })).toHaveCount(0);
    expect(kinds).toEqual(
        expect.arrayContaining([
            "/subscriptions",
            "/subscriptions/new",
            "/subscriptions/:id",
            "/subscriptions/:id tab=general",
            "/subscriptions/:id wizard=create-backup",
            "/subscriptions/:id wizard=restore",
            "/subscriptions/:id wizard=delete-backup",
            "/subscriptions/:id edit=:id",
            "/backup-servers",
            "/backup-servers/new",
            "/backup-servers/:id",
            "/operations",
            "/operations/:id",
            "/alerts",
            "/alerts tab=rules",
            "/alerts tab=log",
            "/alerts/new",
            "/alerts/:id",
            "/action-log",
        ]),
    );
});
