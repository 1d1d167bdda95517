import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Segments } from "../../devices/segments.ts";
import { BenchRam, expectBytes, pattern } from "./bench-board.ts";

describe("scattered buffers", () => {
	it("slice, gather and scatter agree with one long buffer", () => {
		const lengths = fc.array(fc.nat(20), { maxLength: 8 });
		fc.assert(
			fc.property(lengths, fc.nat(100), fc.nat(100), (sizes, from, count) => {
				const ram = new BenchRam(4096);
				ram.bytes.set(pattern(4096));
				let at = 0;
				const segments = new Segments();
				const flat: number[] = [];
				for (const length of sizes) {
					segments.add(at, length);
					for (let i = 0; i < length; i++) flat.push(ram.bytes[at + i]!);
					at += length + 3;
				}
				const part = new Segments();
				part.slice(segments, from, count);
				expect(part.bytes === 0 || part.address(0) === segments.address(from)).toBe(true);
				const expected = flat.slice(from, from + count);
				expect(part.bytes).toBe(expected.length);
				const bytes = new Uint8Array(expected.length);
				expect(part.gather(ram, bytes)).toBe(true);
				expect([...bytes]).toEqual(expected);
				const before = ram.bytes.slice();
				expect(part.scatter(ram, bytes)).toBe(true);
				expectBytes(ram.bytes, before);
				const marks = bytes.map((byte) => byte ^ 0xff);
				part.scatter(ram, marks);
				const again = new Uint8Array(expected.length);
				part.gather(ram, again);
				expectBytes(again, marks);
				const changed = ram.bytes.filter((byte, i) => byte !== before[i]).length;
				expect(changed).toBe(expected.length);
			}),
		);
	});
});
