// Starts programs, waits until they say that they are ready, and ends them by their process id.
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";

const started = [];

/**
 * Starts a program; resolves with what `ready` makes of the first line of its output that is not `undefined`.
 * Everything it prints goes to `log`. Its standard input stays open until this process ends.
 */
export function start(name, command, args, { env = {}, ready, log, patience = 120_000 }) {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    started.push(child);
    child.stdin.on("error", () => {});
    const file = createWriteStream(log, { flags: "a" });
    return new Promise((resolve, reject) => {
        const refuse = (why) => reject(new Error(`${name} ${why}; its output is in ${log}`));
        const timer = setTimeout(() => refuse(`was not ready after ${patience / 1000} s`), patience);
        const read = (line) => {
            file.write(`${line}\n`);
            const value = ready(line);
            if (value !== undefined) {
                clearTimeout(timer);
                resolve({ value, pid: child.pid });
            }
        };
        createInterface({ input: child.stdout }).on("line", read);
        createInterface({ input: child.stderr }).on("line", read);
        child.once("error", (error) => refuse(`cannot be started: ${error.message}`));
        child.once("exit", (code, signal) => {
            clearTimeout(timer);
            refuse(`ended with ${signal ?? `status ${code}`}`);
        });
    });
}

/** Ends everything that was started, the newest first. */
export async function stopAll() {
    for (const child of started.reverse()) {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
        const gone = new Promise((resolve) => child.once("exit", resolve));
        const last = setTimeout(() => child.kill("SIGKILL"), 20_000);
        child.kill("SIGTERM");
        await gone;
        clearTimeout(last);
    }
    started.length = 0;
}

/** Resolves with the name of the signal that asks this process to end. */
export function askedToStop() {
    return new Promise((resolve) => {
        for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => resolve(signal));
    });
}
