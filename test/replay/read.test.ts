/** Formats of traces, and mistakes in them. */
import { Readable } from "node:stream";
import { brotliCompressSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readTrace } from "../../replay/read.ts";

type Reference = readonly [page: number, kind: number];
const [LOAD, STORE, FETCH] = [0, 1, 2];

async function referencesIn(
	bytes: string | Uint8Array,
	name = "trace",
	size = 1 << 20,
): Promise<Reference[]> {
	const whole = Buffer.from(bytes as Uint8Array);
	const parts = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
		whole.subarray(i * size, (i + 1) * size),
	);
	const all: Reference[] = [];
	await readTrace(
		name,
		({ pages, kinds, count }) => {
			for (let i = 0; i < count; i++) all.push([pages[i]!, kinds[i]!]);
		},
		Readable.from(parts),
	);
	return all;
}

const LACKEY = `==1234== Lackey, an example Valgrind tool
--1234-- a message

I  04016b80,3
 L 1ffeffe7e8,8
 S 1ffeffe7f0,4
 M 0421c7cc,4
# a comment
R 1000
W 0x2FFF
r 3000,16
w 4000 8\r
 S 5ffc,8
`;
const EXPECTED: Reference[] = [
	[0x4016, FETCH],
	[0x1ffeffe, LOAD],
	[0x1ffeffe, STORE],
	[0x421c, LOAD],
	[0x421c, STORE],
	[1, LOAD],
	[2, STORE],
	[3, LOAD],
	[4, STORE],
	[5, STORE],
	[6, STORE],
];

/** A trace as bytes. */
function binary(references: readonly (readonly [address: bigint, kind: number])[]): Uint8Array {
	const bytes = new Uint8Array(8 + references.length * 8);
	bytes.set(new TextEncoder().encode("UVMTRACE"));
	const view = new DataView(bytes.buffer);
	for (const [i, [address, kind]] of references.entries()) {
		view.setBigUint64(8 + i * 8, (address & ~3n) | BigInt(kind), true);
	}
	return bytes;
}

describe("a trace", () => {
	it("is text, of lackey or simple, with or without an end of the last line", async () => {
		expect(await referencesIn(LACKEY)).toEqual(EXPECTED);
		expect(await referencesIn(LACKEY.trimEnd())).toEqual(EXPECTED);
	});

	it("is the same in whatever parts it comes", async () => {
		for (let size = 1; size < 40; size++) {
			expect(await referencesIn(LACKEY, "trace", size)).toEqual(EXPECTED);
		}
	});

	it("has addresses of 64 bits", async () => {
		const addresses = fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1 });
		await fc.assert(
			fc.asyncProperty(addresses, fc.integer({ min: 1, max: 20 }), async (all, size) => {
				const pages = all.map((address) => [Number(address >> 12n), STORE]);
				const text = all.map((address) => `W ${address.toString(16)}\n`).join("");
				expect(await referencesIn(text, "trace", size)).toEqual(pages);
				const bytes = binary(all.map((address) => [address, STORE]));
				expect(await referencesIn(bytes, "trace", size)).toEqual(pages);
			}),
		);
	});

	it("is bytes", async () => {
		const bytes = binary([
			[0x1000n, LOAD!],
			[0xffff_ffff_ffff_f000n, FETCH!],
		]);
		expect(await referencesIn(bytes)).toEqual([
			[1, LOAD],
			[2 ** 52 - 1, FETCH],
		]);
	});

	it("may be compressed", async () => {
		expect(await referencesIn(gzipSync(LACKEY))).toEqual(EXPECTED);
		expect(await referencesIn(gzipSync(LACKEY), "trace", 1)).toEqual(EXPECTED);
		expect(await referencesIn(brotliCompressSync(LACKEY), "trace.br")).toEqual(EXPECTED);
		expect(await referencesIn(gzipSync(binary([[0x1000n, STORE!]])))).toEqual([[1, STORE]]);
	});

	it("may be empty", async () => {
		expect(await referencesIn("")).toEqual([]);
		expect(await referencesIn("\n# nothing\n")).toEqual([]);
	});

	it("is longer than a batch", async () => {
		const lines = Array.from({ length: 200_000 }, (_, i) => `R ${(i * 4096).toString(16)}\n`);
		const all = await referencesIn(lines.join(""));
		expect(all.length).toBe(200_000);
		expect(all.every(([page], i) => page === i)).toBe(true);
	});
});

describe("a mistake is one line that says where it is", () => {
	it.each([
		"X 1000",
		"L",
		"L ",
		"L1000",
		"L xyz",
		"L 0x",
		"L 1000,",
		"L 1000,0",
		"L 1000,65537",
		"L 1000,8,8",
		"L 1000 8 8",
		"L 1000x",
		"L 1000,f",
		"L 10000000000000000",
		"hello",
	])("%s", async (line) => {
		const before = "L 1000\n\n# 1\n";
		for (const size of [1, 1000]) {
			const wrong = referencesIn(`${before}${line}\nL 2000\n`, "trace", size);
			await expect(wrong).rejects.toThrow(
				`trace:4: expected a reference such as "L 1ffe8,8" or "W 0x1ffe8", ` +
					`but found ${JSON.stringify(line.trimEnd())}`,
			);
		}
	});

	it("in bytes, and in what was compressed", async () => {
		const bytes = binary([
			[0x1000n, LOAD!],
			[0x1000n, 3],
		]);
		await expect(referencesIn(bytes)).rejects.toThrow(
			"trace: reference 2: the two lowest bits are 3",
		);
		await expect(referencesIn(bytes.subarray(0, 20))).rejects.toThrow(
			"trace: reference 2: the file ends in it",
		);
		const cut = gzipSync(LACKEY).subarray(0, 60);
		await expect(referencesIn(cut)).rejects.toThrow(/^trace: cannot be read: Z_BUF_ERROR$/);
		await expect(referencesIn(Buffer.from("L 1\n"), "trace.br")).rejects.toThrow(
			/^trace.br: cannot be read: /,
		);
	});

	it("of a line without an end", async () => {
		await expect(referencesIn("x".repeat(100_000), "trace", 1000)).rejects.toThrow("trace:1: ");
	});
});
