// A file from a URL without JavaScript: a plain form, a page that is loaded again, and on to the restore's wizard.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { enter, expect, test } from "../fixtures.ts";
import { makeDatabase } from "../restorable.ts";
import { addServer, SEPARATE } from "../servers.ts";
import { GOOD, openImport, subscribed, wizardOf } from "../uploads.ts";

test("from the address of a file to the restore's wizard", async ({ page, facts, open }) => {
    test.setTimeout(120_000);
    const server = createServer((_, response) => void createReadStream(GOOD).pipe(response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
        await enter(page, facts.panels["no-js"].setup_url);
        await addServer(page, facts);
        makeDatabase(facts, "plain_url");
        const path = await subscribed(page, facts, "Plain URL", "plain_url", SEPARATE);
        await open(path);
        const wizard = await openImport(page);
        await expect(wizard.getByText("Uploading in parts needs JavaScript.")).toBeVisible();
        await wizard.getByRole("link", { name: "From a URL" }).click();
        await wizard.getByLabel("Address of the file").fill(`http://127.0.0.1:${port}/plain.zip`);
        await wizard.getByRole("button", { name: "Fetch the file" }).click();
        await expect(wizardOf(page)).toContainText(`plain.zip from 127.0.0.1:${port}`);
        await expect(async () => {
            await page.reload();
            await expect(wizard.getByText("was checked and is a backup")).toBeVisible({ timeout: 500 });
        }).toPass({ timeout: 60_000 });
        await wizard.getByRole("link", { name: "Restore it" }).click();
        await expect(page.getByRole("dialog", { name: "Restore backup" })).toContainText("plain.zip");
    } finally {
        server.close();
    }
});
