/**
 * Register numbers, and the target description (GDB manual, appendix G) that tells them to the
 * debugger. The numbers are GDB's own: x0 to x31, pc, f0 to f31, then the control and status
 * registers by address, then the privilege mode.
 */
import { wordBytes, wordOf } from "./protocol/packet.ts";

export const REG_PC = 32;
export const REG_F0 = 33;
export const REG_CSR0 = 65;
export const REG_PRIV = REG_CSR0 + 0x1000;

const X_NAMES = (
	"zero ra sp gp tp t0 t1 t2 fp s1 a0 a1 a2 a3 a4 a5 a6 a7 " +
	"s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"
).split(" ");
const F_NAMES = (
	"ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 " +
	"fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11"
).split(" ");
/** GDB expects these in the floating-point feature. */
const FPU_CSRS = ["fflags", "frm", "fcsr"] as const;

export interface RegisterSet {
	/** With f0 to f31, 64 bits each. */
	readonly fpu: boolean;
	/** Control and status registers by name; empty for programs in user mode. */
	readonly csrs: Readonly<Record<string, number>>;
}

const feature = (name: string, registers: readonly string[]): string =>
	`<feature name="org.gnu.gdb.riscv.${name}">\n${registers.join("\n")}\n</feature>\n`;

const reg = (name: string, number: number, bits = 32, type = "int"): string =>
	`<reg name="${name}" bitsize="${bits}" regnum="${number}" type="${type}"/>`;

export function targetXml(set: RegisterSet): string {
	const type = (i: number): string =>
		i === 1 ? "code_ptr" : i >= 2 && i <= 4 ? "data_ptr" : "int";
	let xml = feature("cpu", [
		...X_NAMES.map((name, i) => reg(name, i, 32, type(i))),
		reg("pc", REG_PC, 32, "code_ptr"),
	]);
	if (set.fpu) {
		xml += feature("fpu", [
			...F_NAMES.map((name, i) => reg(name, REG_F0 + i, 64, "ieee_double")),
			...FPU_CSRS.map((name, i) => reg(name, REG_CSR0 + 1 + i)),
		]);
	}
	const csrs = Object.entries(set.csrs).filter(([name]) => !FPU_CSRS.some((f) => f === name));
	if (csrs.length > 0) {
		xml += feature(
			"csr",
			csrs.map(([name, csr]) => reg(name, REG_CSR0 + csr)),
		);
		xml += feature("virtual", [reg("priv", REG_PRIV)]);
	}
	return (
		'<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "gdb-target.dtd">\n' +
		`<target version="1.0">\n<architecture>riscv:rv32</architecture>\n${xml}</target>\n`
	);
}

/** Is `n` one of f0 to f31? */
export const isFloat = (n: number): boolean => n >= REG_F0 && n < REG_CSR0;

/** Register `n` in the byte order of the protocol; `f` has two words for each f register. */
export function floatBytes(f: Int32Array, n: number): Uint8Array {
	const at = 2 * (n - REG_F0);
	return Uint8Array.of(...wordBytes(f[at]!), ...wordBytes(f[at + 1]!));
}

/** => false unless `bytes` has eight bytes. */
export function setFloat(f: Int32Array, n: number, bytes: Uint8Array): boolean {
	if (bytes.length !== 8) return false;
	const at = 2 * (n - REG_F0);
	f[at] = wordOf(bytes.subarray(0, 4))!;
	f[at + 1] = wordOf(bytes.subarray(4))!;
	return true;
}
