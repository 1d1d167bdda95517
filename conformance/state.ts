/** The state that is compared: what both machines can show of a hart. */
import { CSR } from "../machine/csr-numbers.ts";

export interface ArchState {
	readonly pc: number;
	readonly priv: number;
	/** x0..x31, signed. */
	readonly x: Int32Array;
	/** f0..f31, two words each, the low one first. */
	readonly f: Int32Array;
	/** In the order of COMPARED_CSRS, unsigned. */
	readonly csrs: Uint32Array;
}

/** Names and numbers. Counters are left out, because their values are not comparable. */
export const COMPARED_CSRS: readonly (readonly [string, number])[] = [
	...(["fcsr", "sstatus", "sie", "stvec", "scounteren", "senvcfg", "sscratch", "sepc"] as const),
	...(["scause", "stval", "sip", "satp", "mstatus", "misa", "medeleg", "mideleg"] as const),
	...(["mie", "mtvec", "mcounteren", "menvcfg", "mstatush", "menvcfgh", "mscratch"] as const),
	...(["mepc", "mcause", "mtval", "mip", "stimecmp", "stimecmph", "mcountinhibit"] as const),
]
	.map((name): readonly [string, number] => [name, CSR[name]])
	.concat(
		Array.from({ length: 4 }, (_, i) => [`pmpcfg${i}`, CSR.pmpcfg0 + i] as const),
		Array.from({ length: 16 }, (_, i) => [`pmpaddr${i}`, CSR.pmpaddr0 + i] as const),
	);

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

/** One line for each value that differs: ours, then theirs. */
export function differences(ours: ArchState, theirs: ArchState): string[] {
	const lines: string[] = [];
	const compare = (name: string, a: number, b: number): void => {
		if (a !== b) lines.push(`${name}: ours ${hex(a)}, QEMU's ${hex(b)}`);
	};
	compare("pc", ours.pc, theirs.pc);
	compare("mode", ours.priv, theirs.priv);
	for (let i = 0; i < 32; i++) compare(`x${i}`, ours.x[i]!, theirs.x[i]!);
	for (let i = 0; i < 64; i++) {
		compare(`f${i >> 1}${i & 1 ? " high" : " low"}`, ours.f[i]!, theirs.f[i]!);
	}
	COMPARED_CSRS.forEach(([name], i) => {
		compare(name, ours.csrs[i]!, theirs.csrs[i]!);
	});
	return lines;
}

/** One line for each of the first eight words that differ. */
export function memoryDifferences(ours: Uint8Array, theirs: Uint8Array, base: number): string[] {
	if (Buffer.compare(ours, theirs) === 0) return [];
	const lines: string[] = [];
	for (let i = 0; i < ours.length && lines.length < 8; i++) {
		if (ours[i] === theirs[i]) continue;
		const at = i & ~3;
		const word = (bytes: Uint8Array): number =>
			new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
		lines.push(`memory ${hex(base + at)}: ours ${hex(word(ours))}, QEMU's ${hex(word(theirs))}`);
		i = at + 3;
	}
	return lines;
}
