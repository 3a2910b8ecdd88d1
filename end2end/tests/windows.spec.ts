// Many windows of one browser on the same panel. Over HTTP/1.1 the browser opens six connections to it for all of them.
import type { Page } from "@playwright/test";

import { expect, hydrated, test } from "./fixtures.ts";
import { createSubscription, line, startBackup } from "./subscriptions.ts";

const WINDOWS = 7;

/** Whether the window asks for the stream of events from now on. */
function asksForEvents(window: Page) {
    return window.waitForRequest((request) => request.url().endsWith("/events/operations"));
}

test("seven windows of a subscription all load, all act, and all see what begins and ends", async ({ page, facts, context }) => {
    test.setTimeout(120_000);
    await createSubscription(page, facts, { name: "Seen seven times", connection: "direct" });
    const path = new URL(page.url()).pathname;
    const windows = [page];
    while (windows.length < WINDOWS) windows.push(await context.newPage());
    for (const window of windows) {
        await window.goto(path, { timeout: 15_000 });
        await hydrated(window);
        expect(await window.evaluate(() => document.visibilityState), "hidden ones have no stream").toBe("visible");
    }
    // The first one has made room for others: it still acts, and so do they.
    const [first, last] = [windows[0], windows[WINDOWS - 1]];
    await startBackup(first, "dump", "begun in the first");
    for (const window of windows) await expect(line(window, "begun in the first")).toContainText("Good", { timeout: 30_000 });
    await startBackup(last, "dump", "begun in the last");
    for (const window of windows) await expect(line(window, "begun in the last")).toContainText("Good", { timeout: 30_000 });

    // Somebody turns to it: it follows again, and another one makes room.
    const [again] = await Promise.all([asksForEvents(first), first.evaluate(() => window.dispatchEvent(new Event("focus")))]);
    expect((await again.response())?.status()).toBe(200);
    for (const window of windows) {
        const answered = await window.evaluate(() => fetch("/healthz", { signal: AbortSignal.timeout(5_000) }).then(({ ok }) => ok));
        expect(answered).toBe(true);
    }
});
