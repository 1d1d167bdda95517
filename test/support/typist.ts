/** A user at a terminal of a system: types when the system waits, and sees the screen. */
import { createSystem, type System } from "../../computer/system.ts";
import type { SystemOptions } from "../../computer/system-options.ts";
import { binDisk, workload } from "./workload.ts";

const bin = binDisk();

const SEQUENCE_OR_CHARACTER = new RegExp(`${"\x1b"}\\[[\\d;]*[A-Za-z]|.`, "gsu");

/** What a terminal shows, and where its cursor is. */
export function screenOf(output: string, columns: number): { rows: string[]; column: number } {
	const rows: string[][] = [[]];
	let column = 0;
	for (const [c] of output.matchAll(SEQUENCE_OR_CHARACTER)) {
		if (c === "\n") rows.push([]);
		else if (c === "\r") column = 0;
		else if (c === "\b") column--;
		else if (c === "\x1b[2J") rows.length = 0;
		else if (c === "\x1b[H") column = 0;
		else if (c !== "\x07") {
			if (column === columns) {
				rows.push([]);
				column = 0;
			}
			rows.at(-1)![column++] = c;
		}
		if (rows.length === 0) rows.push([]);
		if (column < 0) throw new Error("the cursor leaves the screen");
	}
	return { rows: rows.map((row) => row.join("").trimEnd()), column };
}

export class Typist {
	readonly system: System;
	readonly columns: number;

	constructor(columns = 80, options: Partial<SystemOptions> = {}) {
		this.columns = columns;
		this.system = createSystem({
			program: "sh",
			image: workload("sh"),
			bin,
			terminal: true,
			...options,
		});
		this.system.resize(columns, 24);
		this.wait();
	}

	/** Until the system waits for keys, or has ended. */
	wait(): void {
		while (!["ended", "input"].includes(this.system.run()));
	}

	type(keys: string): this {
		let rest: Uint8Array = new TextEncoder().encode(keys);
		while (rest.length > 0 && this.system.exit.kind === "running") {
			rest = rest.subarray(this.system.input(rest));
			if (rest.length > 0) this.system.run(this.system.machine.clock.cycles + 1000);
		}
		this.wait();
		return this;
	}

	/** All that was printed. */
	get text(): string {
		return this.system.report(0).console;
	}

	get rows(): string[] {
		return screenOf(this.text, this.columns).rows;
	}
}
