// What every test has: a page that fails the test on any error in the browser, and waits until it is interactive.
import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";
import { join } from "node:path";

import { ADMINISTRATOR, type Facts, facts, type PanelName } from "./facts.ts";

/** Where the signed-in session of the panel "hydrated" is kept for the tests of this run. */
export const SESSION = join(import.meta.dirname, "../test-results/session.json");

interface Fixtures {
    facts: Facts;
    /** Which panel the test is about; by default the one of its project. */
    panel: PanelName | undefined;
    /** What the browser may complain about: a test that provokes an error adds a pattern. */
    expectedErrors: RegExp[];
    silentConsole: void;
    /** Opens a page of the panel, and waits until it is interactive where there is JavaScript. */
    open: (path: string) => Promise<void>;
    /** Checks accessibility, colours included, in light and in dark. */
    checkAccessibility: () => Promise<void>;
}

export const test = base.extend<Fixtures>({
    facts: async ({}, use) => use(facts()),

    panel: [undefined, { option: true }],

    baseURL: async ({ facts, panel, javaScriptEnabled }, use) =>
        use(facts.panels[panel ?? (javaScriptEnabled ? "hydrated" : "no-js")].url),

    expectedErrors: async ({}, use) => use([]),

    silentConsole: [
        async ({ page, expectedErrors }, use) => {
            const errors: string[] = [];
            const note = (text: string) => {
                if (!expectedErrors.some((pattern) => pattern.test(text))) errors.push(text);
            };
            page.on("console", (message) => {
                if (message.type() === "error") note(`${message.text()} (${message.location().url})`);
            });
            page.on("pageerror", (error) => note(String(error)));
            await use();
            expect(errors, "errors in the browser's console").toEqual([]);
        },
        { auto: true },
    ],

    open: async ({ page, javaScriptEnabled }, use) =>
        use(async (path) => {
            await page.goto(path);
            if (javaScriptEnabled) await hydrated(page);
        }),

    checkAccessibility: async ({ page, javaScriptEnabled }, use) =>
        use(async () => {
            const shown = javaScriptEnabled ? page : await copyWithoutScripts(page);
            for (const colorScheme of ["light", "dark"] as const) {
                await shown.emulateMedia({ colorScheme, reducedMotion: "reduce" });
                await painted(shown);
                const { violations } = await new AxeBuilder({ page: shown }).analyze();
                const found = violations.flatMap(({ id, help, nodes }) =>
                    nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target.join(" ")}: ${failureSummary}`),
                );
                expect(found, `accessibility of ${page.url()} in ${colorScheme}`).toEqual([]);
            }
            if (shown !== page) await shown.context().close();
        }),
});

/** A busy machine paints in the other colours a while after it was told to: axe must not see a mixture. */
async function painted(page: Page) {
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/**
 * What a page without JavaScript shows, in one that has it: axe needs timers. The page's own scripts are left out, and what
 * is there for want of them stays.
 */
async function copyWithoutScripts(page: Page) {
    const shown = await page.content();
    const body = shown.replace(/<script\b[^>]*>.*?<\/script>/gs, "").replace(/<\/?noscript>/g, "");
    const context = await page.context().browser()!.newContext({ javaScriptEnabled: true, viewport: page.viewportSize() });
    const copy = await context.newPage();
    await copy.route(page.url(), (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body }));
    await copy.route("**/*.css", async (route) => {
        const response = await route.fetch();
        const style = await response.text();
        await route.fulfill({ response, body: style.replaceAll(/\(scripting:\s*none\)/g, "(min-width: 0)") });
    });
    await copy.goto(page.url());
    return copy;
}

/** Creates a panel's first administrator through the printed link, and is signed in. */
export async function setUp(page: Page, link: string) {
    await page.goto(link);
    await page.getByLabel("Your name").fill(ADMINISTRATOR.name);
    await page.getByLabel("Email address").fill(ADMINISTRATOR.email);
    await page.getByLabel("Password").fill(ADMINISTRATOR.password);
    await page.getByRole("button", { name: "Create administrator" }).click();
    await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
}

/** On the sign-in page: signs in as the first administrator. */
export async function signIn(page: Page) {
    await page.getByLabel("Email address").fill(ADMINISTRATOR.email);
    await page.getByLabel("Password").fill(ADMINISTRATOR.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("heading", { level: 1 })).not.toHaveText("Sign in");
}

/** Is signed in as the first administrator, whether or not a test has made that account yet. */
export async function enter(page: Page, link: string) {
    await page.goto(link);
    if (await page.getByLabel("Your name").count()) return setUp(page, link);
    await page.goto("/sign-in");
    await signIn(page);
}

/** Waits until the page's controls answer. */
export async function hydrated(page: Page) {
    await expect(page.locator("html[data-hydrated]")).toBeAttached();
}

export { expect };
