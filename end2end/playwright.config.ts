// Drives the system's Chromium against a stack of its own; see stack.mjs for what runs.
import { defineConfig, devices } from "@playwright/test";

const browser = {
    ...devices["Desktop Chrome"],
    channel: undefined,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    trace: "retain-on-failure" as const,
    launchOptions: {
        executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
        args: [
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-quic",
        ],
    },
};

export default defineConfig({
    testDir: "tests",
    outputDir: "test-results/runs",
    fullyParallel: false,
    // The stack is shared: one worker keeps what a spec sees predictable, and two cores busy enough.
    workers: 1,
    forbidOnly: Boolean(process.env.CI),
    timeout: 60_000,
    expect: { timeout: 15_000 },
    reporter: [["list"], ["./tally.ts"]],
    webServer: {
        command: "node stack.mjs",
        wait: { stdout: /Ready: (?<e2e_facts>\S+)/ },
        timeout: 180_000,
        stderr: "pipe",
        gracefulShutdown: { signal: "SIGTERM", timeout: 60_000 },
    },
    projects: [
        { name: "first-run", testMatch: "first-run.ts", use: browser },
        {
            name: "hydrated",
            testMatch: "*.spec.ts",
            dependencies: ["first-run"],
            use: { ...browser, storageState: "test-results/session.json" },
        },
        // Makes the first account of its panel, as "first-run" does for the other.
        { name: "no-js-first-run", testMatch: "no-js/whole-way.ts", use: { ...browser, javaScriptEnabled: false } },
        {
            name: "no-js",
            testMatch: "no-js/*.ts",
            testIgnore: "no-js/whole-way.ts",
            dependencies: ["no-js-first-run"],
            use: { ...browser, javaScriptEnabled: false },
        },
        ...(process.env.SCREENSHOTS
            ? [
                  {
                      name: "screenshots",
                      testMatch: "screenshots.ts",
                      dependencies: ["first-run"],
                      use: { ...browser, storageState: "test-results/session.json" },
                  },
              ]
            : []),
    ],
});
