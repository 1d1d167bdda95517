/**
 * Faults of RAM, page tables included: who reads the bytes first, or writes them without reading.
 * Pages with pending faults are kept out of the hart's fast paths, so that all accesses are seen:
 * of the hart, of walks, of devices, and of the kernel.
 */
import type { CellFaults } from "../../machine/fault-hooks.ts";
import type { Machine } from "../../machine/machine.ts";
import { H_FETCH_HOST, H_FETCH_PAGE, RAM_BASE, RAM_OFFSET } from "../../machine/memory.ts";
import { PAGE_MASK } from "../../machine/port.ts";
import type { Fates, Pending } from "./fates.ts";

const WORD = 4;

interface PendingBytes extends Pending {
	/** The host offset of the first byte. */
	readonly host: number;
	/** Wrong bits of up to four bytes, of those that were not overwritten yet. */
	mask: number;
}

export class MemoryWatch implements CellFaults {
	readonly corrected = 0;
	readonly #fates: Fates;
	readonly #machine: Machine;
	/** What is pending at a byte, by page and byte, both as host offsets. */
	readonly #pages = new Map<number, Map<number, Set<PendingBytes>>>();
	/** While our own side looks at memory. */
	#blind = false;

	constructor(machine: Machine, fates: Fates) {
		this.#machine = machine;
		this.#fates = fates;
		machine.memory.cells = this;
		machine.watchViews((host, bytes) => this.#accessed(host, bytes, false));
	}

	/** => what `action` returns; what it reads does not count. */
	blindly<T>(action: () => T): T {
		this.#blind = true;
		try {
			return action();
		} finally {
			this.#blind = false;
		}
	}

	/** `mask`: of the byte at `pa`, the lowest, and the three after it. */
	open(pa: number, mask: number, pending: Pending): void {
		const entry: PendingBytes = { ...pending, host: pa - RAM_BASE + RAM_OFFSET, mask };
		const { reservation } = this.#machine.hart.state;
		if (Math.abs(reservation - entry.host) < WORD) {
			// The fault ends the reservation, and a store-conditional fails.
			this.#fates.unknown(pending.point);
			return;
		}
		for (const byte of bytesOf(entry)) {
			const page = byte & ~PAGE_MASK;
			const bytes = this.#pages.get(page) ?? this.#watch(page);
			const there = bytes.get(byte);
			if (there === undefined) bytes.set(byte, new Set([entry]));
			else there.add(entry);
		}
	}

	end(): void {
		const left = new Set<PendingBytes>();
		for (const bytes of this.#pages.values()) {
			for (const there of bytes.values()) for (const entry of there) left.add(entry);
		}
		for (const { point, template, phase } of left) {
			this.#fates.known(point, template, "unread", phase);
		}
	}

	read(host: number, bytes: number, into: Uint8Array, at: number): boolean {
		const { u8 } = this.#machine.memory;
		for (let i = 0; i < bytes; i++) into[at + i] = u8[host + i]!;
		this.#accessed(host, bytes, false);
		return true;
	}

	writing(host: number, bytes: number): void {
		this.#accessed(host, bytes, true);
	}

	written(): void {}

	poison(): void {}

	errorIn(): number {
		return -1;
	}

	#watch(page: number): Map<number, Set<PendingBytes>> {
		const bytes = new Map<number, Set<PendingBytes>>();
		this.#pages.set(page, bytes);
		const { memory, hart } = this.#machine;
		hart.mirror.distrust(page, true);
		// From now on each fetch from the page is one of its own.
		if (memory.i32[H_FETCH_HOST] === page) memory.i32[H_FETCH_PAGE] = 1;
		return bytes;
	}

	#accessed(host: number, count: number, isWrite: boolean): void {
		if (this.#blind) return;
		const end = host + count;
		for (let page = host & ~PAGE_MASK; page < end; page += PAGE_MASK + 1) {
			const bytes = this.#pages.get(page);
			if (bytes === undefined) continue;
			for (const byte of touched(
				bytes,
				Math.max(host, page),
				Math.min(end, page + PAGE_MASK + 1),
			)) {
				const there = [...(bytes.get(byte) ?? [])];
				if (isWrite) for (const entry of there) this.#overwritten(entry, byte);
				else if (there.length > 0) this.#wasRead(there);
			}
		}
	}

	#wasRead(entries: readonly PendingBytes[]): void {
		const access = this.#fates.access();
		for (const entry of entries) {
			const { point, template, host, mask } = entry;
			this.#fates.read(point, `${template} ram ${host} ${mask}`, access);
			for (const byte of bytesOf(entry)) this.#forget(entry, byte);
		}
	}

	#overwritten(entry: PendingBytes, byte: number): void {
		this.#forget(entry, byte);
		entry.mask &= ~(0xff << (8 * (byte - entry.host)));
		if (entry.mask !== 0) return;
		this.#fates.known(entry.point, entry.template, "overwritten", entry.phase);
	}

	#forget(entry: PendingBytes, byte: number): void {
		const page = byte & ~PAGE_MASK;
		const bytes = this.#pages.get(page)!;
		const there = bytes.get(byte)!;
		there.delete(entry);
		if (there.size === 0) bytes.delete(byte);
	}
}

/** The host offsets of the bytes that are wrong. */
function bytesOf({ host, mask }: PendingBytes): number[] {
	return [0, 1, 2, 3].filter((i) => (mask & (0xff << (8 * i))) !== 0).map((i) => host + i);
}

/** Which of these bytes are in [from, to), in order. */
function touched(bytes: ReadonlyMap<number, unknown>, from: number, to: number): number[] {
	if (bytes.size < to - from) {
		return [...bytes.keys()].filter((byte) => byte >= from && byte < to).sort((a, b) => a - b);
	}
	return Array.from({ length: to - from }, (_, i) => from + i).filter((byte) => bytes.has(byte));
}
