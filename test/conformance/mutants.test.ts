/**
 * Are the streams sensitive enough? Each mutant is a copy of the machine with one mistake, and must
 * end some stored stream differently.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { MODES } from "../../conformance/generator.ts";
import { readHashes, STORED } from "../../conformance/stored.ts";

interface Mutant {
	readonly name: string;
	readonly file: string;
	readonly from: string;
	readonly to: string;
}

/** Mistakes that an emulator might have. */
const MUTANTS: readonly Mutant[] = [
	{
		name: "a carry lost in mulh",
		file: "interpreter.ts",
		from: `(pc >>> 16) + (left >>> 16)) | 0;
						left = (left - ((va >> 31) & e)) | 0;
						left = (left - ((e`,
		to: `(pc >>> 16)) | 0;
						left = (left - ((va >> 31) & e)) | 0;
						left = (left - ((e`,
	},
	{
		name: "mulhsu takes rs1 for unsigned",
		file: "interpreter.ts",
		from: `left = (left - ((va >> 31) & e)) | 0;
						m32`,
		to: "m32",
	},
	{
		name: "slt compares as sltu does",
		file: "interpreter.ts",
		from: "m32[(w >>> 16) & 0xff]! < m32[w >>> 24]! ? 1 : 0",
		to: "m32[(w >>> 16) & 0xff]! >>> 0 < m32[w >>> 24]! >>> 0 ? 1 : 0",
	},
	{
		name: "immediates are not sign-extended",
		file: "decode.ts",
		from: "(imm << entry.signShift) >> entry.signShift",
		to: "(imm << entry.signShift) >>> entry.signShift",
	},
	{
		name: "two bits of c.j's target are exchanged",
		file: "isa-format.ts",
		from: '"11|4|9:8|10|6|7|3:1|5@2"',
		to: '"11|4|9:8|10|7|6|3:1|5@2"',
	},
	{
		name: "reserved rounding modes are taken",
		file: "decode.ts",
		from: "((bits >>> 12) & 7) <= 6) continue",
		to: "((bits >>> 12) & 7) < 5) continue",
	},
	{
		name: "sc.w always succeeds",
		file: "interpreter.ts",
		from: "if (m32[45] === e) {",
		to: "if (e !== 0) {",
	},
	{
		name: "sc.w always succeeds where its page was not stored to before",
		file: "data-access.ts",
		from: "state.reservation === host ? 0 : 1",
		to: "0",
	},
	{
		name: "sc.w keeps the reservation",
		file: "interpreter.ts",
		from: "m32[45] = -1;",
		to: "",
	},
	{
		name: "lr.w reserves its page",
		file: "interpreter.ts",
		from: "m32[45] = e;",
		to: "m32[45] = e & ~0xfff;",
	},
	{
		name: "amos return what they wrote",
		file: "interpreter.ts",
		from: `m32[(w >>> 8) & 0xff] = va;
						ip = (ip + 4) | 0;
						continue;
					// to here.`,
		to: `m32[(w >>> 8) & 0xff] = m32[e]!;
						ip = (ip + 4) | 0;
						continue;
					// to here.`,
	},
	{
		name: "amos need no page that may be stored to",
		file: "interpreter.ts",
		from: `case 111: // amo*.w
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[(tables + 0x10_0000 +`,
		to: `case 111: // amo*.w
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[(tables +`,
	},
	{
		name: "amomin.w compares unsigned",
		file: "interpreter.ts",
		from: "m32[e] = va < left ? va : left;",
		to: "m32[e] = va >>> 0 < left >>> 0 ? va : left;",
	},
	{
		name: "amomin.w compares unsigned in a page that was not stored to before",
		file: "results.ts",
		from: "return old < rs2 ? old : rs2;",
		to: "return old >>> 0 < rs2 >>> 0 ? old : rs2;",
	},
	{
		name: "fmin takes zeros for equal",
		file: "float/unit.ts",
		from: "if (!(a < b || a > b)) break;\n\t\t\t\t\t\tf32[d] = a < b ? a : b;",
		to: "if (a !== a || b !== b) break;\n\t\t\t\t\t\tf32[d] = a < b ? a : b;",
	},
	{
		name: "inexact results do not say so",
		file: "float/unit.ts",
		from: "this.#state.fflags |= NX;",
		to: "",
	},
	{
		name: "c.flw leaves FS clean",
		file: "float/unit.ts",
		from: "WRITES_F[OP.C_FLW] = WRITES_F[OP.C_FLD] = 1;",
		to: "",
	},
	{
		name: "regions of protection begin four bytes late",
		file: "pmp.ts",
		from: "this.#start[index] = start;",
		to: "this.#start[index] = start + 4;",
	},
	{
		name: "M-mode does not ask unlocked regions",
		file: "pmp.ts",
		from: "% PAGE_SIZE !== 0) {\n\t\t\t\tthis.#bindsMachine = true;",
		to: "% PAGE_SIZE !== 0) {",
	},
	{
		name: "SUM is ignored",
		file: "rights.ts",
		from: "(access === ACCESS_FETCH || !rights.sum)",
		to: "access === ACCESS_FETCH",
	},
	{
		name: "MXR is ignored",
		file: "rights.ts",
		from: "(rights.mxr && (pte & PTE_X) !== 0)",
		to: "false",
	},
	{
		name: "misaligned superpages are taken",
		file: "mmu.ts",
		from: "(superpage && ((pte >>> PTE_PPN_SHIFT) & SUPERPAGE_MASK) !== 0) ||",
		to: "",
	},
	{
		name: "the walk does not set D",
		file: "mmu.ts",
		from: "access === ACCESS_STORE ? PTE_A | PTE_D : PTE_A",
		to: "PTE_A",
	},
	{
		name: "mret leaves MPIE as it was",
		file: "trap.ts",
		from: "MSTATUS_MPIE |\n\t\t\t\t((mstatus & MSTATUS_MPIE)",
		to: "((mstatus & MSTATUS_MPIE)",
	},
	{
		name: "sret in S-mode under TSR",
		file: "system-instructions.ts",
		from: "(state.mstatus & MSTATUS_TSR) !== 0",
		to: "false",
	},
	{
		name: "exceptions met in M-mode are delegated",
		file: "trap.ts",
		from: "state.priv !== PRIV_M && ((state.medeleg",
		to: "((state.medeleg",
	},
];

type StoredModule = typeof import("../../conformance/stored.ts");
type OursModule = typeof import("../../conformance/ours.ts");

/** A mutant must be found within so many streams: all stored ones. */
const STREAMS_MAX = STORED * Object.keys(MODES).length;

const hashes = readHashes("conformance/hashes.json");
const folder = mkdtempSync(join(tmpdir(), "uvmachine-mutants-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** => how many streams it took to find the mutant, taking modes in turn; or null. */
async function streamsUntilFound(place: string): Promise<number | null> {
	const { wholeHash } = (await import(join(place, "conformance/stored.ts"))) as StoredModule;
	const { newMachine } = (await import(join(place, "conformance/ours.ts"))) as OursModule;
	const machine = newMachine();
	const modes = Object.keys(MODES);
	for (let i = 0; i < STREAMS_MAX; i++) {
		const mode = modes[i % modes.length]!;
		const seed = Math.floor(i / modes.length);
		const [hash, steps] = hashes[mode]![seed]!;
		if (wholeHash(machine, mode, seed, steps) !== hash) return i + 1;
	}
	return null;
}

describe("a machine in which", () => {
	it.each(MUTANTS.map((mutant, i) => ({ ...mutant, i })))(
		"$name is detected",
		async ({ i, name, file, from, to }) => {
			const place = join(folder, String(i));
			cpSync("machine", join(place, "machine"), { recursive: true });
			cpSync("conformance", join(place, "conformance"), { recursive: true });
			const path = join(place, "machine", file);
			const text = readFileSync(path, "utf8");
			expect(text.split(from), `machine/${file}: ${from}`).toHaveLength(2);
			writeFileSync(
				path,
				text.replace(from, () => to),
			);
			const start = performance.now();
			const streams = await streamsUntilFound(place);
			const seconds = ((performance.now() - start) / 1000).toFixed(1);
			console.log(`${name}: ${streams} streams, ${seconds} s`);
			expect(streams).not.toBeNull();
		},
	);

	it("nothing is wrong is not detected", async () => {
		const place = join(folder, "none");
		cpSync("machine", join(place, "machine"), { recursive: true });
		cpSync("conformance", join(place, "conformance"), { recursive: true });
		expect(await streamsUntilFound(place)).toBeNull();
	});
});
