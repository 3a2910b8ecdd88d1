// Checks downloaded files with the programs that administrators would use.
import { execFileSync } from "node:child_process";

const READ_ZIP = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    bad = archive.testzip()
    assert bad is None, f"{bad} is damaged"
    names = archive.namelist()
    manifest = json.loads(archive.read("manifest.json"))
    if len(sys.argv) > 2:
        archive.extract("dump.sql", sys.argv[2])
print(json.dumps({"names": names, "manifest": manifest}))
`;

/** Reads every byte of a zip; gives its entries and manifest. With `folder`, `dump.sql` is put there. */
export function readZip(file: string, folder?: string): { names: string[]; manifest: Record<string, unknown> } {
    const args = ["-c", READ_ZIP, file, ...(folder ? [folder] : [])];
    return JSON.parse(execFileSync("python3", args, { encoding: "utf8" }));
}

/** Reads all of a custom dump; throws when pg_restore refuses it. */
export function readDump(file: string) {
    execFileSync("pg_restore", ["--file=/dev/null", file]);
}

/** Restores a plain dump into a new database, and gives the answer to a query in it. */
export function restoreAndAsk(postgres: string, database: string, dump: string, query: string): string {
    sql(postgres, "postgres", `CREATE DATABASE "${database}"`);
    execFileSync("psql", ["-Xq", "-v", "ON_ERROR_STOP=1", "-d", address(postgres, database), "-f", dump], {
        stdio: ["ignore", "ignore", "inherit"],
    });
    return sql(postgres, database, query);
}

/** The answer of a database to a query: columns separated by |. */
export function sql(postgres: string, database: string, query: string): string {
    const args = ["-XqtA", "-v", "ON_ERROR_STOP=1", "-d", address(postgres, database), "-c", query];
    return execFileSync("psql", args, { encoding: "utf8" }).trim();
}

function address(postgres: string, database: string): string {
    const url = new URL(postgres);
    url.pathname = `/${database}`;
    return url.href;
}
