// What the stack says of itself, for the tests.
import { readFileSync } from "node:fs";

export interface Panel {
    url: string;
    setup_url: string;
}

export type PanelName = "hydrated" | "no-js" | "seeded";

export interface Facts {
    folder: string;
    logs: string;
    /** Where the programs are. */
    bin: string;
    /** Where the pages' files are. */
    site: string;
    odoo: {
        postgres_url: string;
        database: string;
        filestore: string;
        addons: string;
        odoo_url: string;
        master_password: string;
    };
    backup_server: { url: string; token: string; pid: number };
    panels: Record<PanelName, Panel>;
}

export function facts(): Facts {
    const file = process.env.E2E_FACTS;
    if (!file) throw new Error("stack.mjs has not said where its facts are");
    return JSON.parse(readFileSync(file, "utf8"));
}

export const ADMINISTRATOR = { name: "Ada Admin", email: "ada@example.com", password: "correct horse battery staple" };
