import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const workloads = fileURLToPath(new URL("../../workloads/", import.meta.url));

/** Whether the host has a command; tests that need a tool of the host are skipped without it. */
export function hasCommand(command: string, ...args: string[]): boolean {
	return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

export interface Outcome {
	readonly code: number | null;
	readonly signal: string | null;
	readonly stdout: string;
	readonly stderr: string;
}

export function run(command: string, ...args: string[]): Outcome {
	const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
	return { code: status, signal, stdout, stderr };
}
