/** workloads/bare/generate.c, which generates code, against the same computation done here. */
import { readFileSync } from "node:fs";
import { expect, it, vi } from "vitest";
import { Bare } from "../../computer/bare.ts";

const FUNCTIONS = 100_000;

/** The checksum that the program prints. */
function checksum(): number {
	let sum = 0x811c_9dc5;
	let x = 1;
	for (let n = 0; n < FUNCTIONS; n++) {
		const done: number[] = [];
		for (let i = 0; i < 15; i++) {
			x = (Math.imul(x, 1664525) + 1013904223) | 0;
			done.push(x);
		}
		const branch = (x >>> 27) & 7;
		let a0 = n;
		done.forEach((word, i) => {
			if (i === branch || (i === branch + 1 && n % 2 === 0)) return;
			const imm = (word << 8) >> 20;
			if (word >>> 30 === 0) a0 = (a0 + imm) | 0;
			else if (word >>> 30 === 1) a0 ^= imm;
			else if (word >>> 30 === 2) a0 |= imm;
			else a0 &= imm;
		});
		sum = Math.imul(sum ^ a0, 0x0100_0193);
	}
	return sum >>> 0;
}

const image = readFileSync("workloads/bare/bin/generate");

it.each(["interp", "auto"] as const)(
	"generated functions return what they should: %s",
	(engine) => {
		const bare = new Bare({ image, ram: 1 << 20, engine });
		const { code } = bare.machine.hart;
		const decode = vi.spyOn(code, "decode");
		const stored = vi.spyOn(code, "stored");
		bare.run();
		expect(bare.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(bare.report(0).console).toBe(
			`functions ${FUNCTIONS.toString(16).padStart(8, "0")}\n` +
				`checksum ${checksum().toString(16).padStart(8, "0")}\n`,
		);
		// As it was when stores and fence.i forgot whole pages.
		expect(bare.machine.hart.counters.instret).toBe(21_654_384);
		// What is compiled is decoded again when it is dropped.
		if (engine !== "interp") return;
		// Two runs of instructions for each function, and what has become long or short by half.
		expect(decode.mock.calls.length).toBeLessThan(3 * FUNCTIONS);
		// Stores are done in the interpreter's loop.
		expect(stored.mock.calls.length).toBeLessThan(FUNCTIONS / 50);
	},
);
