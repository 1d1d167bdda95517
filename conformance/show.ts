/** Prints streams and differences. */
import { CSR_NAMES } from "../machine/csr-numbers.ts";
import { disassemble } from "../machine/disasm.ts";
import type { Difference } from "./lockstep.ts";
import { listing, type Stream } from "./stream.ts";

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

const csrName = (csr: number): string => {
	const pmp = csr >= 0x3b0 ? `pmpaddr${csr - 0x3b0}` : `pmpcfg${csr - 0x3a0}`;
	return CSR_NAMES.get(csr) ?? (csr >= 0x3a0 && csr <= 0x3ef ? pmp : `csr ${csr.toString(16)}`);
};

/** The initial state where it is not zero, and the instructions. */
export function showStream(stream: Stream): string[] {
	const x = stream.x.flatMap((value, i) => (value === 0 ? [] : [`x${i}=${hex(value)}`]));
	const f = Array.from({ length: 32 }, (_, i) => i)
		.filter((i) => stream.f[2 * i] !== 0 || stream.f[2 * i + 1] !== 0)
		.map((i) => `f${i}=${hex(stream.f[2 * i + 1]!)}_${hex(stream.f[2 * i]!)}`);
	const csrs = stream.csrs
		.filter(([, value]) => value !== 0)
		.map(([csr, value]) => `${csrName(csr)}=${hex(value)}`);
	const memory = stream.memory.map(([pa, value]) => `[${hex(pa)}]=${hex(value)}`);
	return [
		`mode ${"US?M"[stream.priv]}  ${[...x, ...f].join(" ")}`,
		csrs.join(" "),
		...(memory.length === 0 ? [] : [memory.join(" ")]),
		...listing(stream).map(
			({ address, word }) => `  ${hex(address)}  ${disassemble(word, address)}`,
		),
	];
}

/** The last steps up to the difference, and the difference. */
export function showDifference({ step, steps, lines }: Difference): string[] {
	const from = Math.max(0, step - 12);
	const trace = steps.slice(from, step + 1).map(({ pc, word, cause, irq }, i) => {
		const text = word < 0 ? "-" : disassemble(word, pc);
		const trap = cause >= 0 ? `  exception ${cause}` : "";
		return `  step ${from + i}  ${hex(pc)}  ${text}${irq >= 0 ? `  interrupt ${irq}` : ""}${trap}`;
	});
	return [...trace, ...lines.map((line) => `  ${line}`)];
}
