// Standard clients of the tus protocol upload through the panel with a session's cookie: tus-js-client and tuspy.
import { execFile } from "node:child_process";
import { copyFileSync, createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import type { Page } from "@playwright/test";
import { Upload } from "tus-js-client";

import { expect, test } from "./fixtures.ts";
import { line } from "./subscriptions.ts";
import { CHUNK, fileAt, GOOD, noise, subscribed, wizardOf } from "./uploads.ts";

const PYTHON = join(import.meta.dirname, "../../.tools/tus/bin/python");

async function cookieOf(page: Page): Promise<string> {
    const cookies = await page.context().cookies();
    return cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
}

/** Imports what has arrived, and only keeps it. */
async function importArrived(page: Page, path: string, name: string) {
    await page.goto(`${path}?wizard=import`);
    const open = wizardOf(page).getByRole("listitem").filter({ hasText: name });
    await expect(open).toContainText("all of it has arrived");
    await wizardOf(page).getByLabel("Comment").fill("by a client");
    await wizardOf(page).getByRole("radio", { name: /^Only keep it/ }).check();
    await open.getByRole("button", { name: "Import it" }).click();
    await expect(wizardOf(page).getByText("was checked and is a backup")).toBeVisible({ timeout: 60_000 });
    await page.goto(path);
    await expect(line(page, `${name}: by a client`)).toContainText("Good");
}

test("tus-js-client uploads in chunks, and as one", async ({ page, facts, panel }) => {
    test.setTimeout(120_000);
    const origin = facts.panels[panel ?? "hydrated"].url;
    const path = await subscribed(page, facts, "By JavaScript client", "tus_js");
    const headers = { Cookie: await cookieOf(page), Origin: origin };
    const subscription = path.split("/").at(-1) ?? "";
    const upload = (file: string, filename: string, chunkSize: number) =>
        new Promise<string>((resolve, reject) => {
            const client = new Upload(createReadStream(file), {
                endpoint: `${origin}/uploads`,
                headers,
                chunkSize,
                uploadSize: readFileSync(file).length,
                metadata: { filename, subscription },
                onError: reject,
                onSuccess: () => resolve(client.url ?? ""),
            });
            client.start();
        });
    await upload(GOOD, "by-javascript.zip", 100_000);
    await importArrived(page, path, "by-javascript.zip");

    const large = noise(facts, "as-one.zip", 5);
    const address = await upload(large, "as-one.zip", Number.POSITIVE_INFINITY);
    const told = await page.request.head(address, { headers: { "Tus-Resumable": "1.0.0" } });
    expect(told.headers()["upload-offset"]).toBe(String(5 * CHUNK));
    const refused = upload(fileAt(facts, "acme.sql", "SELECT 1"), "acme.sql", CHUNK);
    await expect(refused).rejects.toThrow(/neither a \.zip nor a \.dump/);
});

test("the Python client uploads and goes on", async ({ page, facts, panel }) => {
    test.setTimeout(120_000);
    const origin = facts.panels[panel ?? "hydrated"].url;
    const path = await subscribed(page, facts, "By Python client", "tus_py");
    const file = join(facts.folder, "files", "by-python.zip");
    fileAt(facts, "by-python.zip", "");
    copyFileSync(GOOD, file);
    const subscription = path.split("/").at(-1) ?? "";
    const script = join(import.meta.dirname, "upload.py");
    await promisify(execFile)(PYTHON, [script, `${origin}/uploads`, await cookieOf(page), origin, subscription, file]);
    await importArrived(page, path, "by-python.zip");
});
