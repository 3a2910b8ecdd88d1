// Alerts: a channel is added, tried out and seen in the log; one that does not work is told on every page.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { expect, test } from "./fixtures.ts";
import { createSubscription } from "./subscriptions.ts";

const got: { path: string; body: string }[] = [];
let receiver: Server;

test.beforeAll(async () => {
    receiver = createServer((request, response) => {
        let body = "";
        request.on("data", (part) => (body += part));
        request.on("end", () => {
            got.push({ path: request.url ?? "", body });
            response.writeHead(request.url === "/gone" ? 410 : 200).end(request.url === "/gone" ? "no such hook" : "thank you");
        });
    });
    await new Promise<void>((listening) => receiver.listen(0, "127.0.0.1", listening));
});

test.afterAll(() => void receiver.close());

test("a webhook is added, tried out, and told of when it fails", async ({ page, facts, open, checkAccessibility }) => {
    const address = (path: string) => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}${path}`;
    await open("/subscriptions");
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Alerts" }).click();
    await expect(page.getByText("Nobody is told yet")).toBeVisible();
    await page.getByRole("main").getByRole("link", { name: "Add channel" }).first().click();
    await expect(page.getByLabel("Mail server")).toBeVisible();
    await checkAccessibility();
    await page.getByRole("radio", { name: /^Webhook/ }).check();
    await expect(page.getByLabel("Mail server")).toBeHidden();
    await page.getByLabel("Name").fill("Team");
    await page.getByLabel("Address", { exact: true }).fill(address("/hook"));
    await page.getByLabel("Signing key").fill("0123456789abcdef");
    await page.getByRole("button", { name: "Save channel" }).click();

    const row = page.getByRole("row").filter({ hasText: "Team" });
    await expect(row).toContainText("Not tried yet");
    await row.getByRole("button", { name: "Test Team" }).click();
    await expect(page.getByText("The test arrived at “Team”.")).toBeVisible();
    await expect(row).toContainText("Works");
    expect(JSON.parse(got[0].body).alerts[0].event).toBe("test");
    await checkAccessibility();
    // Loaded anew, the page is the same.
    await open(page.url());
    await expect(page.getByText("The test arrived at “Team”.")).toBeVisible();

    // The receiver is gone: every page says so.
    await row.getByRole("link", { name: "Team", exact: true }).click();
    await expect(page.getByLabel("Signing key"), "a secret never comes back").toHaveValue("");
    await page.getByLabel("Address", { exact: true }).fill(address("/gone"));
    await page.getByRole("button", { name: "Save channel" }).click();
    await row.getByRole("button", { name: "Test Team" }).click();
    await expect(page.getByText("The test did not arrive at “Team”.")).toBeVisible();
    const banner = page.getByRole("region", { name: "Alerts do not arrive" });
    await expect(banner).toContainText("410 Gone: no such hook");
    await page.getByRole("link", { name: "Operations" }).click();
    await expect(banner).toBeVisible();
    await banner.getByRole("link", { name: "Look at the channels" }).click();

    await page.getByRole("link", { name: "Delivery log" }).click();
    const log = page.getByRole("table", { name: "Delivery log" });
    await expect(log.getByRole("row").filter({ hasText: "Given up" })).toContainText("410 Gone");
    await expect(log.getByRole("row").filter({ hasText: "Delivered" })).toContainText("200 OK: thank you");
    await checkAccessibility();
    await page.getByRole("link", { name: "Rules" }).click();
    await page.getByLabel("Repeat after, hours").fill("12");
    await page.getByLabel("A backup was restored, or a restore undone").uncheck();
    await page.getByRole("button", { name: "Save rules" }).click();
    await expect(page.getByText("Rules saved")).toBeVisible();
    await checkAccessibility();
    await open("/alerts?tab=rules");
    await expect(page.getByLabel("Repeat after, hours")).toHaveValue("12");
    await expect(page.getByLabel("A backup was restored, or a restore undone")).not.toBeChecked();

    // A subscription can have channels of its own.
    await createSubscription(page, facts, { name: "Told apart", connection: "direct" });
    await open(`${new URL(page.url()).pathname}?tab=general`);
    await page.getByRole("radio", { name: /^Own channels/ }).check();
    await page.getByRole("checkbox", { name: "Team" }).check();
    await page.getByRole("button", { name: "Save alerts" }).click();
    await expect(page.getByText("Alerts saved")).toBeVisible();
    await open(page.url());
    await expect(page.getByRole("checkbox", { name: "Team" })).toBeChecked();
    await checkAccessibility();

    // Nothing of it is left for the others.
    await open("/alerts");
    await row.getByRole("link", { name: "Team", exact: true }).click();
    await page.getByText("Delete this channel …").click();
    await page.getByRole("button", { name: "Delete channel" }).click();
    await expect(page.getByText("Nobody is told yet")).toBeVisible();
    await expect(banner).toHaveCount(0);
});
