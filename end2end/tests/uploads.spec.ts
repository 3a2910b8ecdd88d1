// Restore local database: an upload that is cut off, paused, reloaded and goes on; files that are refused; and the whole
// way to a restored database and back.
import { expect, hydrated, test } from "./fixtures.ts";
import { isWrecked, makeDatabase, wreck } from "./restorable.ts";
import { line } from "./subscriptions.ts";
import {
    arrived,
    choose,
    CHUNK,
    cutOff,
    drop,
    fileAt,
    GOOD,
    holdChunks,
    importInto,
    noise,
    openImport,
    sparse,
    touch,
    watchChunks,
    wizardOf,
} from "./uploads.ts";

test("an uploaded backup is restored the whole way, and the restore is undone", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    test.setTimeout(180_000);
    const database = "uploaded_day";
    makeDatabase(facts, database);
    wreck(facts, database);
    const { path, wizard } = await importInto(page, facts, "Uploaded Day", database);
    await expect(wizard.getByRole("button", { name: "Upload", exact: true })).toBeDisabled();
    await checkAccessibility();
    await choose(wizard, GOOD);
    await expect(wizard.getByText("tiny18.zip · 0.5 MB")).toBeVisible();
    await wizard.getByLabel("Comment").fill("from the customer");
    await expect(wizard.getByRole("radio", { name: /^Restore it/ })).toBeChecked();
    await wizard.getByRole("button", { name: "Upload", exact: true }).click();

    await test.step("the restore's own wizard opens for the new line", async () => {
        await expect(page).toHaveURL(/wizard=restore&line=/, { timeout: 60_000 });
        const restore = page.getByRole("dialog", { name: "Restore backup" });
        await expect(restore).toContainText("tiny18.zip: from the customer");
        await expect(restore.getByRole("heading", { name: "Checks" })).toBeVisible();
        await restore.getByLabel("Type the database's name to confirm").fill(database);
        await checkAccessibility();
        await restore.getByRole("button", { name: `Replace ${database}` }).click();
        await expect(page.getByText(`${database} is restored and verified.`)).toBeVisible({ timeout: 90_000 });
        expect(isWrecked(facts, database)).toBe(false);
    });

    await test.step("the file is a line now, and the restore can be undone", async () => {
        await open(path);
        await expect(line(page, "tiny18.zip: from the customer")).toContainText("upload");
        await expect(line(page, "tiny18.zip: from the customer")).toContainText("Good");
        await page.getByRole("link", { name: "Undo restore" }).click();
        const dialog = page.getByRole("dialog", { name: "Undo this restore?" });
        await dialog.getByLabel("Type the database's name to confirm").fill(database);
        await dialog.getByRole("button", { name: `Bring ${database} back` }).click();
        await expect(page.getByText(`${database} is as it was before the restore.`)).toBeVisible({ timeout: 60_000 });
        expect(isWrecked(facts, database)).toBe(true);
    });

    await test.step("operations and action log tell it", async () => {
        await open("/operations");
        const rows = page.getByRole("table", { name: "Operations" }).getByRole("row").filter({ hasText: "Uploaded Day" });
        await expect(rows.filter({ hasText: /^Import/ })).toContainText("Succeeded");
        await open("/action-log?search=tiny18.zip");
        const entries = page.getByRole("table", { name: "Action log" }).getByRole("row");
        await expect(entries.filter({ hasText: /Imported tiny18\.zip as the backup/ })).toBeVisible();
        await expect(entries.filter({ hasText: /Began to upload tiny18\.zip/ })).toBeVisible();
        await checkAccessibility();
    });
});

test("an upload goes on after a pause, a lost connection and a reload, and a damaged file says why", async ({
    page,
    facts,
    expectedErrors,
    checkAccessibility,
}) => {
    test.setTimeout(90_000);
    expectedErrors.push(/ERR_INTERNET_DISCONNECTED|ERR_NETWORK|Failed to load resource/);
    let { wizard } = await importInto(page, facts, "Slow Line", "slow_line");
    const file = noise(facts, "slow.zip", 24);
    let sent = 0;
    await choose(wizard, file);
    const held = await holdChunks(page);
    const chunks = watchChunks(page);
    await wizard.getByRole("button", { name: "Upload", exact: true }).click();

    await test.step("bytes, rate and time left are shown, and a pause holds it up", async () => {
        const figures = wizard.getByLabel("Upload", { exact: true }).locator("p").first();
        await expect(async () => {
            held.letGo((sent += 1));
            await expect(figures).toHaveText(/^[\d.]+ of 25\.2 MB · .*[\d.]+ MB\/s · about .* left$/, { timeout: 500 });
        }).toPass({ timeout: 10_000 });
        await expect(wizard.getByRole("progressbar", { name: "Progress of the upload" })).toBeVisible();
        await wizard.getByRole("button", { name: "Pause" }).click();
        await expect(wizard.getByText("Paused: what has arrived is kept")).toBeVisible();
        await checkAccessibility();
        const before = chunks.length;
        await wizard.getByRole("button", { name: "Resume" }).click();
        held.letGo((sent += 2));
        await expect.poll(() => chunks.length).toBeGreaterThan(before);
        expect(chunks.at(before), "the first chunk after the pause").toBeGreaterThan(0);
    });

    await test.step("a lost connection is waited for", async () => {
        await page.context().setOffline(true);
        held.letGo((sent += 1));
        await expect(wizard.getByText("The connection is lost")).toBeVisible();
        await expect(wizard.getByText(/next try in \d+ s/)).toBeVisible();
        await checkAccessibility();
        const before = chunks.length;
        await page.context().setOffline(false);
        await expect(wizard.getByText("Uploading", { exact: true })).toBeVisible();
        await expect.poll(() => chunks.length).toBeGreaterThan(before);
        expect(chunks.at(-1)).toBeGreaterThan(0);
    });

    await test.step("leaving warns, and the same file goes on after a reload", async () => {
        held.letGo((sent += 3));
        await arrived(wizard, sent);
        const warnings: string[] = [];
        page.once("dialog", async (dialog) => {
            warnings.push(dialog.type());
            await dialog.accept();
        });
        await page.reload();
        await hydrated(page);
        expect(warnings).toEqual(["beforeunload"]);
        wizard = wizardOf(page);
        await expect(wizard.getByRole("region", { name: "Unfinished uploads" })).toContainText(/slow\.zip.*of 25\.2 MB have arrived/);
        await checkAccessibility();
        await choose(wizard, file);
        await expect(wizard.getByText("the upload goes on from there")).toBeVisible();
        const before = chunks.length;
        await wizard.getByRole("radio", { name: /^Only keep it/ }).check();
        await wizard.getByRole("button", { name: "Go on uploading" }).click();
        await expect.poll(() => chunks.length).toBeGreaterThan(before);
        expect(chunks.at(before), "the first chunk after the reload").toBeGreaterThanOrEqual(sent * CHUNK);
        held.letGo(24);
    });

    await test.step("what was uploaded is no backup: the reason is shown and stays on the line", async () => {
        await expect(wizard.getByText("slow.zip could not be imported.")).toBeVisible({ timeout: 60_000 });
        await expect(wizard.getByRole("link", { name: "Choose another file" })).toBeVisible();
        await checkAccessibility();
        await wizard.getByRole("link", { name: "Close", exact: true }).last().click();
        await expect(line(page, "slow.zip")).toContainText("Failed");
        await expect(line(page, "slow.zip").getByRole("link", { name: /^Restore / })).toHaveCount(0);
    });
});

test("leaving the dialog asks first, and a cancelled upload leaves nothing", async ({ page, facts, open, checkAccessibility }) => {
    test.setTimeout(120_000);
    const { path, wizard } = await importInto(page, facts, "Called Off", "called_off");
    const file = noise(facts, "called-off.zip", 16);
    await choose(wizard, file);
    const held = await holdChunks(page);
    held.letGo(2);
    await wizard.getByRole("button", { name: "Upload", exact: true }).click();
    await arrived(wizard, 2);

    const question = wizard.getByRole("alertdialog", { name: "Stop the upload?" });
    await page.keyboard.press("Escape");
    await expect(question).toBeVisible();
    await checkAccessibility();
    await expect(question.getByRole("button", { name: "Keep uploading" })).toBeFocused();
    // Chromium closes a dialog at the second Escape, whoever objects.
    await page.keyboard.press("Escape");
    await expect(question).toBeVisible();
    await question.getByRole("button", { name: "Keep uploading" }).click();
    await expect(question).toBeHidden();

    // The browser's Back button, twice, and a link of the page behind.
    const address = page.url();
    const overview = page.locator("a[href='/']").first();
    const ways = [
        () => page.evaluate(() => history.back()),
        () => page.evaluate(() => history.back()),
        () => overview.evaluate((link: HTMLAnchorElement) => link.click()),
    ];
    for (const leave of ways) {
        await leave();
        await expect(question).toBeVisible();
        await expect(page).toHaveURL(address);
        await question.getByRole("button", { name: "Keep uploading" }).click();
        await expect(question).toBeHidden();
    }
    await expect(page.getByRole("heading", { name: "Called Off", level: 1 })).toBeVisible();

    held.letGo(4);
    await arrived(wizard, 4);
    await page.mouse.click(2, 2);
    await expect(wizard, "a click beside it closes no dialog").toBeVisible();
    await wizard.getByRole("link", { name: "Close", exact: true }).click();
    await question.getByRole("link", { name: "Stop and close" }).click();
    await expect(wizard).toBeHidden();
    await page.goBack();
    await expect(wizard, "nothing goes on any more: Back leads where it always does").toBeVisible();
    await page.goForward();
    await expect(wizard).toBeHidden();

    await openImport(page);
    await expect(wizard.getByRole("listitem").filter({ hasText: "called-off.zip" })).toContainText("have arrived");
    await choose(wizard, file);
    await wizard.getByRole("button", { name: "Go on uploading" }).click();
    await arrived(wizard, 4);
    await wizard.getByRole("button", { name: "Cancel upload" }).click();
    await expect(wizard.getByRole("button", { name: "Upload", exact: true })).toBeEnabled();
    await open(`${path}?wizard=import`);
    await expect(wizard.getByLabel("Choose a backup file, or drop it here")).toBeVisible();
    await expect(wizard.getByText("have arrived")).toHaveCount(0);
    await open("/action-log?search=called-off.zip");
    await expect(page.getByText("Cancelled the upload of called-off.zip")).toBeVisible();
});

test("a pause before the upload has begun leaves no empty one", async ({ page, facts, open }) => {
    const { path, wizard } = await importInto(page, facts, "Paused At Once", "paused_at_once");
    await choose(wizard, noise(facts, "paused.zip", 2));
    let begin = () => {};
    await page.route("**/uploads", async (route) => {
        await new Promise<void>((go) => (begin = go));
        await route.continue();
    });
    const [begun] = await Promise.all([
        page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/uploads")),
        wizard.getByRole("button", { name: "Upload", exact: true }).click(),
    ]);
    await wizard.getByRole("button", { name: "Pause" }).click();
    const removed = page.waitForResponse((response) => response.request().method() === "DELETE");
    begin();
    expect((await begun.response())?.status()).toBe(201);
    expect((await removed).status()).toBe(204);
    await open(`${path}?wizard=import`);
    await expect(wizard.getByLabel("Choose a backup file, or drop it here")).toBeVisible();
    await expect(wizard.getByRole("listitem").filter({ hasText: "paused.zip" })).toHaveCount(0);
});

test("files that cannot be a backup are refused at once, and a changed file is another one", async ({
    page,
    facts,
    open,
    checkAccessibility,
}) => {
    const { path, wizard } = await importInto(page, facts, "Refused", "refused_files");
    const upload = wizard.getByRole("button", { name: "Upload", exact: true });
    for (const [file, words] of [
        [fileAt(facts, "acme.sql", "SELECT 1"), "neither a .zip nor a .dump file"],
        [fileAt(facts, "empty.zip", ""), "This file is empty"],
        [sparse(facts, "large.zip", 1_000_000_000), "use “From a URL”"],
    ]) {
        await choose(wizard, file);
        await expect(wizard.getByRole("alert").filter({ hasText: words })).toBeVisible();
        await expect(upload).toBeDisabled();
    }
    await checkAccessibility();
    await drop(wizard, "dropped.sql", "SELECT 1");
    await expect(wizard.getByRole("alert").filter({ hasText: "“dropped.sql” is neither" })).toBeVisible();
    await drop(wizard, "dropped.zip", "PK\x03\x04 and so on");
    await expect(wizard.getByText("dropped.zip · ")).toBeVisible();
    await expect(upload).toBeEnabled();
    await choose(wizard, sparse(facts, "large-enough.zip", 999_999_999));
    await expect(upload, "just small enough").toBeEnabled();

    const file = noise(facts, "changed.zip", 12);
    await choose(wizard, file);
    const held = await holdChunks(page);
    held.letGo(1);
    await upload.click();
    await arrived(wizard, 1);
    await wizard.getByRole("button", { name: "Pause" }).click();
    touch(file);
    await open(`${path}?wizard=import`);
    await choose(wizard, file);
    await expect(upload, "the same name and length, another time").toBeEnabled();
    await wizard.getByRole("button", { name: "Discard changed.zip" }).click();
    await expect(wizard.getByText("have arrived")).toHaveCount(0);
});

test("a truncated backup is refused with its own reason", async ({ page, facts, checkAccessibility }) => {
    const { wizard } = await importInto(page, facts, "Cut Off", "cut_off");
    await choose(wizard, cutOff(facts, "cut-off.zip"));
    await wizard.getByRole("button", { name: "Upload", exact: true }).click();
    await expect(wizard.getByText("cut-off.zip could not be imported.")).toBeVisible({ timeout: 60_000 });
    await expect(wizard.getByRole("status").filter({ hasText: /cut off|truncated|end/i })).toBeVisible();
    await checkAccessibility();
});
