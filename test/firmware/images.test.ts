/**
 * Files from users: a bare machine runs any of them, or says in one line what is wrong.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import type { BareOptions } from "../../computer/bare-options.ts";
import { UserError } from "../../machine/user-error.ts";

const program = new Uint8Array(readFileSync("workloads/bare/bin/board"));
const RAM = 1024 * 1024;
const CYCLES = 2000;

/** => what was wrong with the file, or null if it ran; throws what it must never throw. */
function attempt(options: BareOptions): string | null {
	try {
		const bare = new Bare({ ram: RAM, ...options });
		bare.inputEnd();
		bare.run(CYCLES);
		return null;
	} catch (error) {
		if (!(error instanceof UserError)) throw error;
		expect(error.message).toMatch(/^[^\n]+$/);
		expect(error.message).not.toMatch(/^(Offset|Invalid|Index|offset) /);
		return error.message;
	}
}

const edges = fc.constantFrom(0, 1, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff);
const words = fc.oneof(edges, fc.integer({ min: 0, max: 0xffff_ffff }));

/** Words of the headers, or of the section headers at the end, written over. */
const damages = fc.array(
	fc.record({ at: fc.integer({ min: 4, max: 52 + 4 * 32 }), end: fc.boolean(), value: words }),
	{ minLength: 1, maxLength: 4 },
);

describe("a bare machine", () => {
	it("runs the undamaged file", () => {
		expect(attempt({ image: program })).toBeNull();
	});

	it("takes damaged ELF files, or refuses them", () => {
		fc.assert(
			fc.property(damages, (writes) => {
				const image = program.slice();
				const view = new DataView(image.buffer);
				for (const { at, end, value } of writes) {
					view.setUint32(end ? image.length - 4 * at : at, value, true);
				}
				attempt({ image });
			}),
			{ numRuns: 40 },
		);
	});

	it("takes ELF files that end too early, or refuses them", () => {
		fc.assert(
			fc.property(fc.integer({ min: 0, max: program.length }), (length) => {
				attempt({ image: program.slice(0, length) });
			}),
			{ numRuns: 40 },
		);
	});

	it("takes raw images anywhere, or refuses them", () => {
		const bytes = fc.uint8Array({ maxLength: 300 });
		fc.assert(
			fc.property(bytes, fc.option(words, { nil: undefined }), fc.boolean(), (raw, at, sbi) => {
				const where = at === undefined ? {} : { loadAddress: at };
				attempt({ image: raw, ...where, sbi, ram: 8 * RAM });
			}),
			{ numRuns: 50 },
		);
	});

	it("takes a RAM disk that fits, and says what is wrong with a device tree", () => {
		const bytes = fc.uint8Array({ maxLength: 300 });
		fc.assert(
			fc.property(bytes, bytes, (dtb, initrd) => {
				attempt({ image: program, dtb, initrd });
			}),
			{ numRuns: 40 },
		);
		const huge = new Uint8Array(2 * RAM);
		expect(attempt({ image: program, initrd: huge })).toMatch(/^initrd: /);
		expect(attempt({ image: program, dtb: huge })).toMatch(/^dtb: /);
	});
});
