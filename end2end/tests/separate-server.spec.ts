// A backup server of its own, far from the panel: it reaches the database through Odoo, and downloads come from it.
import { readDump, readZip } from "./archives.ts";
import { expect, test } from "./fixtures.ts";
import { addServer, SEPARATE } from "./servers.ts";
import { createSubscription, line, startBackup } from "./subscriptions.ts";

test("through Odoo over HTTP: test, zip and dump, each downloaded from that server's own address", async ({
    page,
    facts,
    open,
}) => {
    test.setTimeout(120_000);
    await addServer(page, facts);
    await createSubscription(page, facts, { name: "Odoo, far away", connection: "odoo", server: SEPARATE });
    const path = new URL(page.url()).pathname;
    await open(`${path}?tab=general`);
    await page.getByRole("button", { name: "Test connection" }).click();
    const report = page.getByRole("status").filter({ hasText: "The connection works." });
    await expect(report, "the stored master password was used").toContainText("18.0");

    await open(path);
    for (const format of ["zip", "dump"] as const) {
        await startBackup(page, format, `a ${format} from afar`);
        const made = line(page, `a ${format} from afar`);
        await expect(made).toContainText("Good", { timeout: 60_000 });
        await expect(made).toContainText(SEPARATE);
        const [file] = await Promise.all([
            page.waitForEvent("download"),
            made.getByRole("link", { name: /^Download / }).click(),
        ]);
        expect(new URL(file.url()).origin, "not through the panel").toBe(new URL(facts.backup_server.url).origin);
        expect(file.suggestedFilename()).toMatch(new RegExp(`^${facts.odoo.database}_.*\\.${format}$`));
        if (format === "dump") {
            readDump(await file.path());
        } else {
            const { names, manifest } = readZip(await file.path());
            expect(manifest).toMatchObject({ odoo_dump: "1", db_name: facts.odoo.database });
            expect(names).toContain("dump.sql");
            expect(names.some((name) => /^filestore\/[0-9a-f]{2}\/[0-9a-f]{40}$/.test(name))).toBe(true);
        }
    }
});
