/** A machine with an attached supervisor and a user program under Sv32, for tests. */

import { Machine, type MachineOptions } from "../../machine/machine.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import type { MachinePort } from "../../machine/port.ts";
import { panic } from "../../sys/panic.ts";
import { assemble } from "../isa/assembler.ts";

export const PTE_POINTER = 0x01;
/** V R W X U A D */
export const RWX = 0xdf;
/** V R X U A */
export const RX = 0x5b;
/** V R W U A D */
export const RW = 0xd7;
/** V R U A */
export const RO = 0x53;

/** Where programs lie in virtual memory, and the page of RAM that holds them. */
export const TEXT = 0x1_0000;
export const TEXT_FRAME = 0x20;

export interface User {
	readonly machine: Machine;
	readonly port: MachinePort;
	readonly labels: ReadonlyMap<string, number>;
	/** Map the page of `va` to page `frame` of RAM in address space `root`. */
	map(va: number, frame: number, flags: number, root?: number): void;
	/** Write the page table entry of `va`. */
	setPte(va: number, pte: number, root?: number): void;
	pte(va: number, root?: number): number;
	/** satp for the page directory in page `root` of RAM. */
	satp(root: number, asid: number): number;
}

/** => the program mapped read-execute at TEXT, four pages of it; directories in pages 1 and 2. */
export function user(source: string, options: Partial<MachineOptions> = {}): User {
	const machine = new Machine({ ramSize: 1 << 20, ...options });
	const port = machine.supervisor(panic);
	const { bytes, labels } = assemble(source, TEXT);
	port.writeRam(RAM_BASE + TEXT_FRAME * 4096, bytes);
	const words = port.ram32;
	let nextTable = 3;
	const slot = (va: number, root: number): number => {
		const entry = root * 1024 + (va >>> 22);
		if ((words[entry]! & PTE_POINTER) === 0) {
			port.storeWord(entry, ((RAM_BASE / 4096 + nextTable++) << 10) | PTE_POINTER);
		}
		const table = (words[entry]! >>> 10) - RAM_BASE / 4096;
		return table * 1024 + ((va >>> 12) & 1023);
	};
	const u: User = {
		machine,
		port,
		labels,
		map: (va, frame, flags, root = 1) =>
			u.setPte(va, (((RAM_BASE / 4096 + frame) << 10) | flags) >>> 0, root),
		setPte: (va, pte, root = 1) => {
			port.storeWord(slot(va, root), pte);
		},
		pte: (va, root = 1) => words[slot(va, root)]! >>> 0,
		satp: (root, asid) => 0x8000_0000 + asid * 2 ** 22 + RAM_BASE / 4096 + root,
	};
	for (let i = 0; i < 4; i++) u.map(TEXT + i * 4096, TEXT_FRAME + i, RX);
	port.satp = u.satp(1, 1);
	port.pc = TEXT;
	return u;
}
