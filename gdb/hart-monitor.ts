/** Monitor commands that show the hart, the TLB, page tables, physical memory and time. */
import { CSR } from "../machine/csr-numbers.ts";
import type { Hart } from "../machine/hart.ts";
import { PRIV_M, PRIV_S } from "../machine/hart-state.ts";
import type { Machine } from "../machine/machine.ts";
import { PAGE_SIZE, SATP_MODE_SV32 } from "../machine/port.ts";
import {
	isTranslated,
	mappedRanges,
	pteFlags,
	readVirtual,
	translateNow,
	walk,
} from "../machine/walk.ts";

/** `help` for the commands below. */
export const HART_HELP = [
	"info registers          privileged registers",
	"info clock              cycles, instructions, traps, and the next event",
	"info tlb                contents of the TLB",
	"xp/<n><f> pa            physical memory: n units; <f> is x, d, u, o or c, then b, h or w",
	"translate va            the physical address of a virtual one",
];

const hex = (n: number, digits = 8): string => (n >>> 0).toString(16).padStart(digits, "0");
/** Physical addresses have up to 34 bits. */
const hexPa = (pa: number): string => pa.toString(16).padStart(8, "0");

/** A listing of a page table shows at most so many ranges; a guest may create a million. */
const RANGES_MAX = 2000;

/** `xp` shows at most so many units. */
const XP_MAX = 4096;

/** => the answer, or null if the command is not one of these. */
export function hartCommand(machine: Machine, command: string): string | null {
	const words = command.split(/\s+/);
	if (words[0] === "info") {
		switch (words[1]) {
			case "registers":
				return infoRegisters(machine.hart);
			case "clock":
				return infoClock(machine);
			case "tlb":
				return infoTlb(machine.hart);
		}
		return null;
	}
	if (words[0] === "translate") return translateCommand(machine.hart, words[1]);
	if (words[0] === "xp" || command.startsWith("xp/")) return examine(machine, command);
	return null;
}

function infoRegisters(hart: Hart): string {
	const { priv } = hart.state;
	const mode = priv === PRIV_M ? "machine" : priv === PRIV_S ? "supervisor" : "user";
	const cells = Object.entries(CSR).flatMap(([name, number]) => {
		const value = hart.csrs.read(number);
		return value < 0 ? [] : [`${name.padEnd(10)} ${hex(value)}`];
	});
	let text = `mode       ${mode}\n`;
	for (let i = 0; i < cells.length; i += 4) text += `${cells.slice(i, i + 4).join("  ")}\n`;
	return text;
}

function infoClock({ clock, hart, time }: Machine): string {
	const next =
		clock.nextEvent === Number.POSITIVE_INFINITY
			? "none"
			: `in ${Math.max(0, clock.nextEvent - clock.cycles)} cycles`;
	return [
		`cycles       ${clock.cycles}`,
		`instructions ${hart.counters.instret}`,
		`traps        ${hart.traps.taken}`,
		`time         ${time}`,
		`next event   ${next}`,
		"",
	].join("\n");
}

function infoTlb({ tlb, mmu }: Hart): string {
	const list = tlb.list();
	const lines = list.map(({ index, vpn, superpage, global, asid, pte }) => {
		const owner = global ? "global" : `asid ${asid}`;
		return (
			`${String(index).padStart(5)}  ${hex(vpn * PAGE_SIZE)} -> ` +
			`${hexPa((pte >>> 10) * PAGE_SIZE)}  ${superpage ? "4M" : "4K"}  ` +
			`${pteFlags(pte)}  ${owner}`
		);
	});
	const { fetchMisses, loadMisses, storeMisses } = mmu.counters;
	lines.push(
		`${list.length} of ${tlb.entries} entries, ${tlb.ways} ways; misses: ` +
			`${fetchMisses} fetch, ${loadMisses} load, ${storeMisses} store`,
	);
	return `${lines.join("\n")}\n`;
}

/** All mappings of the page table in `satp`, or the one of `va`. */
export function pageTable(hart: Hart, satp: number, va: number | null): string {
	if (satp < SATP_MODE_SV32) return "satp: no page table\n";
	const root = (satp & 0x3f_ffff) * PAGE_SIZE;
	if (va !== null) {
		const leaf = walk(hart.memory, root, va);
		if (leaf === null) return `${hex(va)}: not mapped\n`;
		const pa = hexPa((leaf.pte >>> 10) * PAGE_SIZE);
		const size = leaf.superpage ? "4M" : "4K";
		return `${hex(va)}: pte ${hex(leaf.pte)} -> ${pa}  ${size}  ${pteFlags(leaf.pte)}\n`;
	}
	const ranges = mappedRanges(hart.memory, root);
	const lines = ranges
		.slice(0, RANGES_MAX)
		.map(
			(r) =>
				`${hex(r.va)}-${hex(r.va + r.bytes - 1)} -> ${hexPa(r.pa)}  ` +
				`${r.superpage ? "4M" : "4K"}  ${pteFlags(r.flags)}`,
		);
	if (ranges.length > RANGES_MAX) {
		lines.push(`... ${ranges.length - RANGES_MAX} more; give an address to see its entry`);
	}
	const bytes = ranges.reduce((sum, r) => sum + r.bytes, 0);
	lines.push(`root ${hexPa(root)}: ${bytes / 1024} KiB in ${ranges.length} ranges`);
	return `${lines.join("\n")}\n`;
}

function translateCommand(hart: Hart, text: string | undefined): string {
	const va = parseNumber(text);
	if (va === null) return "translate: expected an address such as 0x10000\n";
	const pa = translateNow(hart, va);
	if (pa < 0) return `${hex(va)}: not mapped\n`;
	const note = isTranslated(hart) ? "" : " (no translation in this mode)";
	return `${hex(va)} -> ${hexPa(pa)}${note}\n`;
}

/** A hexadecimal (0x1f) or decimal number, enough for 34-bit addresses. null: not a number. */
export function parseNumber(text: string | undefined): number | null {
	if (text === undefined || !/^(0x[0-9a-fA-F]{1,9}|\d{1,11})$/.test(text)) return null;
	return Number(text);
}

/** Text from the user or a guest, cut and cleaned so that it fits in one line. */
export const printable = (text: string): string => text.slice(0, 60).replace(/[^ -~]/g, "?");

/** `xp/4xw 0x80000000`, as in QEMU's monitor. */
function examine({ memory }: Machine, command: string): string {
	const match = /^xp(?:\/(\d*)([xduoc]?)([bhw]?))?\s+(\S+)$/.exec(command);
	const start = parseNumber(match?.[4]);
	if (match === null || start === null) return "xp: use xp/<count><format><size> <address>\n";
	const count = match[1] === "" || match[1] === undefined ? 1 : Number(match[1]);
	if (count > XP_MAX) return `xp: at most ${XP_MAX} units\n`;
	const format = match[2] || "x";
	const size =
		match[3] === "b" || (match[3] === "" && format === "c") ? 1 : match[3] === "h" ? 2 : 4;
	const perLine = 16 / size;
	let text = "";
	for (let i = 0; i < count; i++) {
		const pa = start + i * size;
		if (i % perLine === 0) text += `${i === 0 ? "" : "\n"}${hexPa(pa)}:`;
		const bytes = readVirtual(memory, (at) => at, pa, size);
		if (bytes.length < size) return `${text} neither RAM nor ROM\n`;
		let value = 0;
		for (let b = size - 1; b >= 0; b--) value = value * 256 + bytes[b]!;
		text += ` ${unit(value, format, size)}`;
	}
	return `${text}\n`;
}

function unit(value: number, format: string, size: number): string {
	switch (format) {
		case "d":
			return String(value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value);
		case "u":
			return String(value);
		case "o":
			return `0${value.toString(8)}`;
		case "c":
			return value >= 0x20 && value < 0x7f
				? `'${String.fromCharCode(value)}'`
				: `'\\x${hex(value, 2)}'`;
		default:
			return `0x${hex(value, 2 * size)}`;
	}
}
