/**
 * F and D against QEMU: the same program computes with the same operands on our hart and under
 * qemu-riscv32, and leaves the same results and flags. Skipped where qemu-riscv32 is not installed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHILD_LIMIT_MS } from "../support/limits.ts";
import { call, elf, SYS } from "../support/program.ts";
import { F32, F64, type Model } from "./float-model.ts";
import { pattern } from "./float-operands.ts";
import { guest } from "./guest.ts";

const QEMU = "qemu-riscv32";
const installed = spawnSync(QEMU, ["--version"]).status === 0;
const CASES = 150;
const MODES = 5;
const RESULT_BYTES = 16;
const FS = 3 << 13;
const PAGE = 4096;
/** Where the first program header has it. */
const P_OFFSET = 56;

/** Instructions on fa0, fa1, fa2 and a1; the result is in fa3 or a2. */
const INSTRUCTIONS = ["s", "d"].flatMap((f) => [
	...["fadd", "fsub", "fmul", "fdiv", "fmin", "fmax", "fsgnj", "fsgnjn", "fsgnjx"].map(
		(name) => `${name}.${f} fa3,fa0,fa1`,
	),
	...["fmadd", "fmsub", "fnmsub", "fnmadd"].map((name) => `${name}.${f} fa3,fa0,fa1,fa2`),
	...["feq", "flt", "fle"].map((name) => `${name}.${f} a2,fa0,fa1`),
	`fsqrt.${f} fa3,fa0`,
	`fclass.${f} a2,fa0`,
	`fcvt.w.${f} a2,fa0`,
	`fcvt.wu.${f} a2,fa0`,
	`fcvt.${f}.w fa3,a1`,
	`fcvt.${f}.wu fa3,a1`,
]);
const MIXED = ["fcvt.s.d fa3,fa0", "fcvt.d.s fa3,fa0", "fadd.s fa3,fa0,fa1", "fmv.x.w a2,fa0"];

/** Results and flags of `instructions` for every operand in every rounding mode, from `out` on. */
function program(instructions: readonly string[], operands: readonly bigint[]): string {
	const each = instructions.map(
		(instruction) => `
			csrrwi zero,fflags,0
			fsgnj.d fa3,fa4,fa4
			li a2, 0
			${instruction}
			csrrs a3,fflags,zero
			fsd fa3,0(s2)
			sw a2,8(s2)
			sw a3,12(s2)
			addi s2,s2,${RESULT_BYTES}`,
	);
	return `
		li s3, 0
		la s2, out
	mode:	csrrw zero,frm,s3
		la s0, operands
		la s1, out
	case:	fld fa0,0(s0)
		fld fa1,8(s0)
		fld fa2,16(s0)
		lw a1,0(s0)
		fcvt.d.w fa4,zero
		${each.join("\n")}
		addi s0,s0,24
		blt s0,s1,case
		addi s3,s3,1
		li a0, ${MODES}
		blt s3,a0,mode
		j end
	.org 4096
	operands:
	${operands.map((n) => `.word ${n & 0xffff_ffffn}\n.word ${n >> 32n}`).join("\n")}
	out:
	.org ${4096 + operands.length * 8 + instructions.length * MODES * CASES * RESULT_BYTES}
	end:	mv s4, s2
		la s2, out
	more:	sub a2,s4,s2
		bge zero,a2,done
		${call(SYS.write, 1, "s2", "a2")}
		add s2,s2,a0
		bge a0,zero,more
	done:	${call(SYS.exit, 0)}
	`;
}

/** Triples of operands, the same in every run. */
function sample(m: Model, boxed: boolean): bigint[] {
	const box = boxed ? 0xffff_ffffn << 32n : 0n;
	return fc.sample(pattern(m), { numRuns: CASES * 3, seed: 7 }).map((n) => n | box);
}

function ours(source: string, bytes: number): Uint8Array {
	const g = guest(source);
	g.machine.hart.state.mstatus |= FS;
	const out = g.labels.get("out")! - 0x8000_0000;
	// Until the loop is left.
	const end = g.labels.get("end")!;
	while (g.machine.hart.pc !== end) g.machine.runBare(1);
	return g.machine.memory.ram8.slice(out, out + bytes);
}

function theirs(source: string, bytes: number): Uint8Array {
	const directory = mkdtempSync(join(tmpdir(), "float-"));
	try {
		const file = join(directory, "program");
		writeFileSync(file, pageAligned(elf(source, 0x10_0000)), { mode: 0o755 });
		const { status, stdout, stderr } = spawnSync(QEMU, [file], {
			maxBuffer: 1 << 24,
			timeout: CHILD_LIMIT_MS,
		});
		expect([status, stderr.toString()]).toEqual([0, ""]);
		expect(stdout.length).toBe(bytes);
		return stdout;
	} finally {
		rmSync(directory, { recursive: true });
	}
}

/** The segment lies at the start of a page of the file, or QEMU cannot map it. */
function pageAligned(file: Uint8Array): Uint8Array {
	const offset = new DataView(file.buffer).getUint32(P_OFFSET, true);
	const aligned = new Uint8Array(PAGE + file.length - offset);
	aligned.set(file.subarray(0, offset));
	aligned.set(file.subarray(offset), PAGE);
	new DataView(aligned.buffer).setUint32(P_OFFSET, PAGE, true);
	return aligned;
}

const show = (bytes: Uint8Array): string => Buffer.from(bytes.toReversed()).toString("hex");

describe.skipIf(!installed)("the same program under qemu-riscv32", () => {
	const runs = INSTRUCTIONS.length / 2;
	it.each([
		["single precision", INSTRUCTIONS.slice(0, runs), sample(F32, true)],
		["double precision", INSTRUCTIONS.slice(runs), sample(F64, false)],
		["singles that are not boxed, and conversions", MIXED, sample(F64, false)],
		["conversions of singles", MIXED, sample(F32, true)],
	])("%s: results and flags are the same", (_, instructions, operands) => {
		const source = program(instructions, operands);
		const bytes = instructions.length * MODES * CASES * RESULT_BYTES;
		const [a, b] = [ours(source, bytes), theirs(source, bytes)];
		for (let at = 0; at < bytes; at += RESULT_BYTES) {
			const i = at / RESULT_BYTES;
			const [mode, n] = [
				Math.floor(i / (CASES * instructions.length)),
				Math.floor(i / instructions.length) % CASES,
			];
			const triple = operands.slice(3 * n, 3 * n + 3).map((x) => x.toString(16));
			const what = `${instructions[i % instructions.length]} rm ${mode} of ${triple}`;
			const [got, wanted] = [a, b].map((x) => show(x.subarray(at, at + RESULT_BYTES)));
			if (got !== wanted) expect(got, what).toBe(wanted);
		}
	});
});
