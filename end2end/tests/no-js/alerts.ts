// Alerts without JavaScript: a channel is refused, added, tried out and deleted; a rule is changed.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { enter, expect, test } from "../fixtures.ts";

test("a channel is added and tried out, and a rule changed", async ({ page, facts, open }) => {
    const got: string[] = [];
    const receiver = createServer((request, response) => {
        got.push(request.url ?? "");
        request.resume();
        response.end("thank you");
    });
    await new Promise<void>((listening) => receiver.listen(0, "127.0.0.1", listening));
    const { port } = receiver.address() as AddressInfo;
    try {
        await enter(page, facts.panels["no-js"].setup_url);
        await open("/alerts/new");
        await page.getByRole("radio", { name: /^Pings/ }).check();
        await expect(page.getByLabel("Mail server")).toBeHidden();
        await expect(page.getByText("one check watches all")).toBeVisible();
        await page.getByLabel("Name").fill("Plain pings");
        const address = page.getByLabel("Address", { exact: true });
        await address.fill("https://hc.example.com/{name}");
        await page.getByRole("button", { name: "Save channel" }).click();
        await expect(address).toHaveAccessibleDescription(/Only \{slug\} and \{uuid\} are filled in/);
        await expect(page.getByRole("radio", { name: /^Pings/ })).toBeChecked();
        await expect(page.getByLabel("Name")).toHaveValue("Plain pings");
        await address.fill(`http://127.0.0.1:${port}/plain`);
        await page.getByRole("button", { name: "Save channel" }).click();

        const row = page.getByRole("row").filter({ hasText: "Plain pings" });
        await expect(row).toContainText("one check for all");
        await row.getByRole("button", { name: "Test Plain pings" }).click();
        await expect(page.getByText("The test arrived at “Plain pings”.")).toBeVisible();
        await expect(page.getByText("no check's state changed")).toBeVisible();
        expect(got).toContain("/plain/log");
        await page.getByRole("link", { name: "Delivery log" }).click();
        const log = page.getByRole("table", { name: "Delivery log" });
        await expect(log.getByRole("row").filter({ hasText: "tries this check out" })).toContainText("Delivered");

        await page.getByRole("link", { name: "Rules" }).click();
        const [hours, restored] = [page.getByLabel("Repeat after, hours"), page.getByLabel("A backup was restored, or a restore undone")];
        await hours.fill("12");
        await restored.uncheck();
        await page.getByRole("button", { name: "Save rules" }).click();
        await open("/alerts?tab=rules");
        await expect(hours).toHaveValue("12");
        await expect(restored).not.toBeChecked();

        await open("/alerts");
        await row.getByRole("link", { name: "Plain pings", exact: true }).click();
        await page.getByText("Delete this channel …").click();
        await page.getByRole("button", { name: "Delete channel" }).click();
        await expect(page.getByText("Nobody is told yet")).toBeVisible();
    } finally {
        receiver.close();
    }
});
