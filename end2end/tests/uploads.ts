// What tests do with files that are uploaded: making them, opening the wizard, slowing the network down.
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomBytes } from "node:crypto";

import type { Locator, Page, Request } from "@playwright/test";

import type { Facts } from "./facts.ts";
import { expect, hydrated } from "./fixtures.ts";
import { folder as filestoreOf } from "./restorable.ts";
import { createSubscription } from "./subscriptions.ts";

/** A real backup of an Odoo database of our own making. */
export const GOOD = join(import.meta.dirname, "../../testbed/fixtures/tiny18.zip");

/** Bytes of a chunk. */
export const CHUNK = 1_048_576;

/** A file in the run's own folder. */
export function fileAt(facts: Facts, name: string, content: Buffer | string): string {
    const folder = join(facts.folder, "files");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, name);
    writeFileSync(file, content);
    return file;
}

/** A file of so many chunks that begins like a zip and is none. */
export function noise(facts: Facts, name: string, chunks: number): string {
    return fileAt(facts, name, Buffer.concat([Buffer.from("PK\x03\x04"), randomBytes(chunks * CHUNK - 4)]));
}

/** A file that takes no space on disk. */
export function sparse(facts: Facts, name: string, bytes: number): string {
    const file = fileAt(facts, name, "");
    closeSync(openSync(file, "a"));
    truncateSync(file, bytes);
    return file;
}

/** A good backup that lacks its end. */
export function cutOff(facts: Facts, name: string): string {
    const whole = readFileSync(GOOD);
    return fileAt(facts, name, whole.subarray(0, Math.floor(whole.length * 0.7)));
}

/** The same bytes at another time are another file. */
export function touch(file: string) {
    utimesSync(file, new Date(1_000_000_000_000), new Date(1_000_000_000_000));
}

/** A subscription without any backup, for a database that need not be there until something is restored. Gives its
 * page's path. */
export async function subscribed(page: Page, facts: Facts, name: string, database: string, server?: string): Promise<string> {
    const filestore = filestoreOf(facts, database);
    await createSubscription(page, facts, { name, connection: "direct", database, filestore, ...(server && { server }) });
    return new URL(page.url()).pathname;
}

/** The dialog for a new subscription, opened on its page. */
export async function importInto(page: Page, facts: Facts, name: string, database: string) {
    const path = await subscribed(page, facts, name, database);
    await hydrated(page);
    return { path, wizard: await openImport(page) };
}

/** The dialog, on a subscription's page. */
export async function openImport(page: Page): Promise<Locator> {
    await page.getByRole("link", { name: "Restore local database", exact: true }).click();
    return wizardOf(page);
}

export function wizardOf(page: Page): Locator {
    return page.getByRole("dialog", { name: "Restore local database" });
}

/** Drops a file on the wizard, as a person drags it from another window. */
export async function drop(wizard: Locator, name: string, content: string) {
    const place = wizard.getByText("Choose a backup file, or drop it here");
    const dragged = await place.evaluateHandle(
        (_, [name, content]) => {
            const dragged = new DataTransfer();
            dragged.items.add(new File([content], name, { lastModified: 1_000_000_000_000 }));
            return dragged;
        },
        [name, content] as const,
    );
    await place.dispatchEvent("dragover", { dataTransfer: dragged });
    await place.dispatchEvent("drop", { dataTransfer: dragged });
}

/** Chooses a file in the wizard. */
export async function choose(wizard: Locator, file: string) {
    await wizard.getByLabel("Choose a backup file, or drop it here").setInputFiles(file);
}

/** Holds chunks back in the browser until a test lets them go, so that it can act in between. */
export async function holdChunks(page: Page) {
    let limit = 0;
    const waiting = new Map<Request, () => void>();
    const mayGo = (request: Request) => Number(request.headers()["upload-offset"]) < limit;
    page.on("requestfailed", (request) => waiting.delete(request));
    await page.route("**/uploads/*", async (route, request) => {
        if (request.method() === "PATCH" && !mayGo(request)) {
            await new Promise<void>((go) => waiting.set(request, go));
        }
        // A request that was given up meanwhile cannot go on.
        await route.continue().catch(() => {});
    });
    return {
        /** Lets the first so many chunks of the file go, now or when they come: several are under way at once. */
        letGo(chunks: number) {
            limit = chunks * CHUNK;
            for (const [request, go] of waiting) {
                if (!mayGo(request)) continue;
                waiting.delete(request);
                go();
            }
        },
    };
}

/** Notes each chunk that is sent: at which offset. */
export function watchChunks(page: Page): number[] {
    const offsets: number[] = [];
    page.on("request", (request: Request) => {
        if (request.method() === "PATCH") offsets.push(Number(request.headers()["upload-offset"]));
    });
    return offsets;
}

/** Waits until so many chunks have arrived, as the wizard shows it. */
export async function arrived(wizard: Locator, chunks: number) {
    const least = (chunks * CHUNK) / 1_000_000;
    await expect(async () => {
        const text = await wizard.getByLabel("Upload", { exact: true }).locator("p").first().textContent();
        expect(Number(text?.split(" ")[0])).toBeGreaterThanOrEqual(Math.floor(least * 10) / 10);
    }).toPass({ timeout: 30_000, intervals: [100] });
}
