/** The committed workloads, and a short way to boot them. */
import { readFileSync } from "node:fs";
import { createSystem, type System } from "../../computer/system.ts";
import type { Report, SystemOptions } from "../../computer/system-options.ts";

export { binDisk } from "../../cli/root-disk.ts";

export const workload = (name: string): Uint8Array =>
	readFileSync(new URL(`../../workloads/bin/${name}`, import.meta.url));

export const MiB = 1024 * 1024;

export interface Booted {
	readonly system: System;
	readonly report: Report;
}

/** Run a workload to its end. */
export function boot(
	program: string,
	args: readonly (string | number)[],
	options: Partial<SystemOptions> = {},
): Booted {
	const system = createSystem({
		program,
		image: workload(program),
		args: args.map(String),
		...options,
	});
	system.run();
	return { system, report: system.report(0) };
}
