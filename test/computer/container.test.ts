/** Snapshot files: complete, of the right kind and version, or refused in one line. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packSnapshot, SnapshotError, unpackSnapshot } from "../../computer/snapshot/container.ts";
import { restoreSystem, saveSystem } from "../../computer/snapshot/system-snapshot.ts";
import { createSystem } from "../../computer/system.ts";
import { UserError } from "../../machine/user-error.ts";
import { MiB, workload } from "../support/workload.ts";

const RUNS = Number(process.env.SNAPSHOT_FUZZ_RUNS ?? 3000);

const header = { version: "1.2.3", kind: "boot", config: { ram: 1 } };
const body = new Uint8Array(10_000).map((_, i) => (i * i) >> 4);
const file = packSnapshot(header, body);

const open = (bytes: Uint8Array, kind = "boot", version = "1.2.3") =>
	unpackSnapshot(bytes, kind, version);

/** The file with its checksum corrected. */
function sealed(bytes: Uint8Array): Uint8Array {
	const out = bytes.slice();
	const hash = createHash("sha256").update(out.subarray(0, 20)).update(out.subarray(52));
	out.set(hash.digest(), 20);
	return out;
}

function with32(at: number, value: number): Uint8Array {
	const out = Buffer.from(file);
	out.writeUInt32LE(value, at);
	return out;
}

describe("a file", () => {
	it("gives back what was put into it", () => {
		const back = open(file);
		expect(back.header).toMatchObject(header);
		expect(Buffer.compare(back.body, body)).toBe(0);
	});

	it("of zeros takes next to nothing", () => {
		expect(packSnapshot(header, new Uint8Array(8 * MiB)).length).toBeLessThan(20_000);
	});

	it.each([
		["nothing", new Uint8Array(0), /^not a snapshot$/],
		["an ELF file", workload("hello"), /^not a snapshot$/],
		["the beginning", file.subarray(0, 30), /^it is cut off$/],
		["all but the end", file.subarray(0, file.length - 1), /^it is cut off$/],
		["more than all", Buffer.concat([file, Buffer.alloc(1)]), /^it is damaged$/],
		["another format", with32(8, 99), /^its format is version 99; this uvmachine reads \d+$/],
		["a header that is too long", sealed(with32(12, 2 ** 31)), /^it is cut off$/],
		["a body that is too long", sealed(with32(16, 2 ** 32 - 1)), /^it is cut off$/],
	])("that is %s is refused", (_, bytes, message) => {
		expect(() => open(bytes)).toThrow(SnapshotError);
		expect(() => open(bytes)).toThrow(message);
	});

	it("of another version, or of something else, is refused", () => {
		expect(() => open(file, "boot", "1.2.4")).toThrow(
			/^it was made by uvmachine 1\.2\.3; this is 1\.2\.4$/,
		);
		expect(() => open(file, "run")).toThrow(/^this snapshot was made by `uvmachine boot`$/);
	});

	it("that would expand to more than it declares is refused", () => {
		const long = packSnapshot(header, new Uint8Array(4 * MiB));
		const text = Buffer.from(long).toString("latin1");
		const lies = Buffer.from(
			text.replace(`"bodyBytes":${4 * MiB}`, `"bodyBytes":${1000000}`),
			"latin1",
		);
		expect(() => open(sealed(lies))).toThrow(/^it is damaged$/);
	});
});

describe("a snapshot of a system", () => {
	const options = { program: "hello", image: workload("hello"), ram: MiB, swap: [{ media: MiB }] };
	const system = createSystem({ ...options, framebuffer: null });
	system.run(6000);
	const snapshot = saveSystem(system);

	it("with any byte changed is refused in one line", () => {
		fc.assert(
			fc.property(fc.nat(snapshot.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
				const bytes = snapshot.slice();
				bytes[at]! ^= change;
				expect(() => restoreSystem(bytes)).toThrow(SnapshotError);
			}),
			{ numRuns: RUNS },
		);
	});

	it("with changes and a correct checksum is refused in one line, or is a system", () => {
		const { header, body } = unpackSnapshot(snapshot, "boot", system.report(0).version);
		const text = JSON.stringify(header.config);
		const number = /\d+/g;
		const spots = [...text.matchAll(number)].length;
		fc.assert(
			fc.property(
				fc.nat(spots - 1),
				fc.constantFrom("0", "-1", "1e99", "null", "[]", '"x"'),
				(n, put) => {
					let i = 0;
					const changed = text.replace(number, (old) => (i++ === n ? put : old));
					let config: Record<string, unknown>;
					try {
						config = JSON.parse(changed) as Record<string, unknown>;
					} catch {
						return;
					}
					const bytes = packSnapshot({ ...header, config }, body);
					try {
						restoreSystem(bytes).run(20_000);
					} catch (error) {
						expect(error instanceof UserError).toBe(true);
						expect((error as Error).message).not.toContain("\n");
					}
				},
			),
			{ numRuns: 60 },
		);
	});

	it("with changed contents is refused in one line", () => {
		const { header, body } = unpackSnapshot(snapshot, "boot", system.report(0).version);
		fc.assert(
			fc.property(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
				const bytes = body.slice();
				bytes[at]! ^= change;
				try {
					restoreSystem(packSnapshot(header, bytes));
				} catch (error) {
					expect(error instanceof UserError).toBe(true);
				}
			}),
			{ numRuns: 60 },
		);
	});
});
