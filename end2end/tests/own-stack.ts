// A panel and a backup server of a test's own, to be killed and started again at the same addresses.
import { mkdtempSync } from "node:fs";
import { join } from "node:path";

import { start } from "../processes.mjs";
import type { Facts } from "./facts.ts";

/** A program that can be killed. */
export class Program {
    url = "";
    /** What it prints once: a set-up link, a token. */
    secret = "";
    private pid = 0;

    constructor(
        private readonly facts: Facts,
        private readonly name: string,
        private readonly variable: string,
        private readonly env: Record<string, string | undefined>,
        private readonly secretOf: (line: string) => string | undefined,
    ) {}

    /** Starts it; from the second time on at the address that it had. */
    async start() {
        const listen = this.url ? new URL(this.url).host : "127.0.0.1:0";
        let url: string | undefined;
        let secret = this.secret || undefined;
        const { pid } = await start(`${this.name} of a test`, join(this.facts.bin, this.name), [], {
            env: { ...this.env, [this.variable]: listen },
            ready: (line: string) => {
                url ??= line.match(/(?:Listening on|Holdfast is at) (http:\S+)/)?.[1];
                secret ??= this.secretOf(line);
                return url && secret ? true : undefined;
            },
            log: join(this.facts.logs, `own-${this.name}.log`),
        });
        [this.url, this.secret, this.pid] = [url ?? "", secret ?? "", pid];
    }

    /** As a power cut would end it. */
    kill() {
        process.kill(this.pid, "SIGKILL");
    }
}

/** Both, with folders of their own. */
export async function ownStack(facts: Facts) {
    const folder = mkdtempSync(join(facts.folder, "own-"));
    const server = new Program(
        facts,
        "backup-server",
        "BACKUP_LISTEN",
        { BACKUP_DATA: join(folder, "backup-server") },
        (line) => line.match(/token\S*\s+(\S+)$/i)?.[1],
    );
    const panel = new Program(
        facts,
        "holdfast",
        "HOLDFAST_LISTEN",
        {
            HOLDFAST_DATA: join(folder, "panel"),
            HOLDFAST_SITE: facts.site,
            HOLDFAST_NO_EMBEDDED_SERVER: "true",
            DATABASE_URL: undefined,
        },
        (line) => line.match(/(http:\/\/\S+\/set-up\/\S+)/)?.[1],
    );
    await Promise.all([server.start(), panel.start()]);
    return { server, panel };
}
