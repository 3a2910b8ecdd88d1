// Restore local database from a URL, which the backup server fetches.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename } from "node:path";

import { expect, test } from "./fixtures.ts";
import { addServer, SEPARATE } from "./servers.ts";
import { line } from "./subscriptions.ts";
import { GOOD, openImport, subscribed } from "./uploads.ts";

test("the backup server fetches a file from a URL", async ({ page, facts, open, expectedErrors, checkAccessibility }) => {
    test.setTimeout(120_000);
    // A refused form.
    expectedErrors.push(/status of 422/);
    const server = createServer((request, response) => {
        if (request.url?.startsWith("/missing")) return void response.writeHead(404).end();
        response.writeHead(200, { "Content-Length": statSync(GOOD).size });
        createReadStream(GOOD).pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
        await addServer(page, facts);
        const path = await subscribed(page, facts, "By URL", "by_url", SEPARATE);
        await open(path);
        const wizard = await openImport(page);
        await wizard.getByRole("link", { name: "From a URL" }).click();
        await wizard.getByLabel("Address of the file").fill(`http://ada:hunter2@127.0.0.1:${port}/missing.zip`);
        await checkAccessibility();
        await wizard.getByRole("button", { name: "Fetch the file" }).click();
        await expect(wizard.getByText(`missing.zip from 127.0.0.1:${port} could not be imported.`)).toBeVisible();
        await expect(wizard.getByText("404")).toBeVisible();
        await expect(page.locator("body")).not.toContainText("hunter2");

        await wizard.getByRole("link", { name: "Choose another file" }).click();
        await wizard.getByRole("link", { name: "From a URL" }).click();
        await wizard.getByLabel("File name").fill("acme.sql");
        await wizard.getByLabel("Address of the file").fill(`http://127.0.0.1:${port}/get?id=7`);
        await wizard.getByRole("button", { name: "Fetch the file" }).click();
        await expect(wizard.getByText("A file's name ends in .zip")).toBeVisible();
        await wizard.getByLabel("File name").fill(basename(GOOD));
        await wizard.getByRole("radio", { name: /^Only keep it/ }).check();
        await wizard.getByRole("button", { name: "Fetch the file" }).click();
        await expect(wizard.getByText("was checked and is a backup of this subscription now.")).toBeVisible({
            timeout: 60_000,
        });
        await expect(wizard.getByRole("link", { name: "Restore it" })).toBeVisible();
        await checkAccessibility();
        await wizard.getByRole("link", { name: "Close", exact: true }).last().click();
        await expect(line(page, "tiny18.zip")).toContainText("url");
        await expect(line(page, "tiny18.zip")).toContainText("Good");
    } finally {
        server.close();
    }
});
