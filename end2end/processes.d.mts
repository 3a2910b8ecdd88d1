// What processes.mjs offers, for tests written in TypeScript.
interface Start<T> {
    env?: Record<string, string | undefined>;
    ready: (line: string) => T | undefined;
    log: string;
    patience?: number;
}
export function start<T>(name: string, command: string, args: string[], how: Start<T>): Promise<{ value: T; pid: number }>;
export function stopAll(): Promise<void>;
export function askedToStop(): Promise<string>;
