/**
 * Silent faults of writes to a disk: whether what they leave on it is read later, or written again
 * first. All requests are kept, and looked at when the run is over.
 */
import { DISK_OK, type DiskResult, SECTOR_SIZE } from "../../devices/disk/disk-media.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { type MediaRule, overlaps } from "../../devices/fault/disk-rule.ts";
import type { Known } from "./fates.ts";

/** By how much a misdirected write misses, if the rule does not say. */
const OFFSET = 8;

interface Request {
	readonly isWrite: boolean;
	readonly sector: number;
	readonly sectors: number;
	/** As the disk's `now` says. */
	readonly at: number;
	/** Of a write: is what it writes something else than what was there? */
	readonly changes: boolean;
}

/** A disk in memory that keeps a list of its requests. */
export class WatchedDisk extends MemoryDisk {
	/** Says when a request is made; null: nothing is kept. */
	now: (() => number) | null = null;
	readonly #requests: Request[] = [];
	/** The requests that have used each sector, by number and ascending. Made when it is needed. */
	#uses: Map<number, number[]> | null = null;

	override read(sector: number, into: Uint8Array): DiskResult {
		const result = super.read(sector, into);
		if (result === DISK_OK) this.#add(false, sector, into.length, false);
		return result;
	}

	override write(sector: number, bytes: Uint8Array): DiskResult {
		const before = new Uint8Array(bytes.length);
		super.read(sector, before);
		const result = super.write(sector, bytes);
		if (result !== DISK_OK) return result;
		const changes = bytes.some((byte, i) => byte !== before[i]);
		this.#add(true, sector, bytes.length, changes);
		return result;
	}

	/** The write that is candidate `hit` of the rule, from 1, goes wrong. => null: it is to be run */
	fateOf(rule: MediaRule, hit: number): { known: Known; at: number } | null {
		const index = this.#candidate(rule, hit);
		if (index < 0) return null;
		const { sector, sectors, at, changes } = this.#requests[index]!;
		const lost = rule.model === "disk.lost-write";
		if (lost && !changes) return { known: "overwritten", at };
		const offset = rule.model === "disk.misdirected-write" ? (rule.params.offset ?? OFFSET) : 0;
		const uses = new Set<"read" | "write" | "none">();
		for (const shift of new Set([0, offset])) {
			for (let i = 0; i < sectors; i++) {
				const place = sector + i + shift;
				if (place >= 0 && place < this.sectors) uses.add(this.#firstUse(index, place));
			}
		}
		if (uses.has("read")) return null;
		if (!uses.has("none")) return { known: "overwritten", at };
		// The others may leave on the disk what should be there.
		return lost || rule.model === "disk.corrupt" ? { known: "unread", at } : null;
	}

	#add(isWrite: boolean, sector: number, bytes: number, changes: boolean): void {
		if (this.now === null) return;
		this.#uses = null;
		const sectors = bytes / SECTOR_SIZE;
		this.#requests.push({ isWrite, sector, sectors, at: this.now(), changes });
	}

	/** => the number of the request, or -1 */
	#candidate(rule: MediaRule, hit: number): number {
		let left = hit;
		return this.#requests.findIndex(
			({ isWrite, sector, sectors }) =>
				isWrite && overlaps(rule, sector, sectors * SECTOR_SIZE) && --left === 0,
		);
	}

	#firstUse(after: number, sector: number): "read" | "write" | "none" {
		this.#uses ??= this.#usesOfSectors();
		const next = this.#uses.get(sector)?.find((index) => index > after);
		if (next === undefined) return "none";
		return this.#requests[next]!.isWrite ? "write" : "read";
	}

	#usesOfSectors(): Map<number, number[]> {
		const uses = new Map<number, number[]>();
		for (const [index, { sector, sectors }] of this.#requests.entries()) {
			for (let place = sector; place < sector + sectors; place++) {
				const own = uses.get(place);
				if (own === undefined) uses.set(place, [index]);
				else own.push(index);
			}
		}
		return uses;
	}
}
