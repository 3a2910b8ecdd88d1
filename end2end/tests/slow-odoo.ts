// An Odoo that makes its backup for ever: everything else it answers as the stand-in behind it does.
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface SlowOdoo {
    url: string;
    /** Ends once whoever asked for a backup has hung up. */
    hungUp: Promise<void>;
    stop: () => void;
}

/** Starts it in front of the Odoo at `url`. */
export async function slowOdoo(url: string): Promise<SlowOdoo> {
    let hangUp = () => {};
    const hungUp = new Promise<void>((resolve) => (hangUp = resolve));
    const server: Server = createServer((asked, answer) => {
        if (asked.url === "/web/database/backup") {
            answer.once("close", hangUp);
            asked.resume();
            return;
        }
        const onward = request(new URL(asked.url ?? "/", url), { method: asked.method, headers: asked.headers }, (said) => {
            answer.writeHead(said.statusCode ?? 502, said.headers);
            said.pipe(answer);
        });
        onward.once("error", () => answer.destroy());
        asked.pipe(onward);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const stop = () => {
        server.close();
        server.closeAllConnections();
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hungUp, stop };
}
