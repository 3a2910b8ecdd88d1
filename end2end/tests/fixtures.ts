// What every test has: a page that fails the test on any error in the browser, and waits until it is interactive.
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, expect, type Page, test as base } from "@playwright/test";
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

    checkAccessibility: async ({ page, browser, javaScriptEnabled }, use) => {
        let copies: Page | undefined;
        await use(async () => {
            const shown = javaScriptEnabled ? page : await copyWithoutScripts(page, (copies ??= await forCopies(browser)));
            for (const colorScheme of ["light", "dark"] as const) {
                await shown.emulateMedia({ colorScheme, reducedMotion: "reduce" });
                await painted(shown);
                const found = await violations(shown, colorScheme === "light" ? undefined : ABOUT_COLOURS);
                expect(found, `accessibility of ${page.url()} in ${colorScheme}`).toEqual([]);
            }
        });
        await copies?.context().close();
    },
});

/** Axe's rules that find something else when only the colours are others. */
const ABOUT_COLOURS = ["color-contrast", "link-in-text-block"];

/** What is wrong with a page, by these rules or by all. */
async function violations(page: Page, rules?: string[]) {
    // Without frames there is nothing to put together in a page of its own.
    const axe = new AxeBuilder({ page }).setLegacyMode();
    const { violations } = await (rules ? axe.withRules(rules) : axe).analyze();
    return violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target.join(" ")}: ${failureSummary}`),
    );
}

/** A busy machine paints in the other colours a while after it was told to: who looks must not see a mixture. */
export async function painted(page: Page) {
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** A page with JavaScript, for copies of those that have none: axe needs timers. */
async function forCopies(browser: Browser) {
    const context = await browser.newContext({ javaScriptEnabled: true });
    const page = await context.newPage();
    await page.route("**/*.css", async (route) => {
        const response = await route.fetch();
        const style = await response.text();
        await route.fulfill({ response, body: style.replaceAll(/\(scripting:\s*none\)/g, "(min-width: 0)") });
    });
    return page;
}

/** Shows in `copy` what a page without JavaScript shows: its own scripts are left out, and what is there for want of them stays. */
async function copyWithoutScripts(page: Page, copy: Page) {
    const shown = await page.content();
    const body = shown.replace(/<script\b[^>]*>.*?<\/script>/gs, "").replace(/<\/?noscript>/g, "");
    await copy.setViewportSize(page.viewportSize()!);
    await copy.route(page.url(), (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body }), { times: 1 });
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
