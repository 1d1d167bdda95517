/**
 * The volatile write cache of a disk that may lose its power: the writes that it has acknowledged
 * and not yet stored. It holds no data that is read: it only says what a loss of power leaves.
 */
import { SECTOR_SIZE } from "../disk/disk-media.ts";
import type { PowerCut } from "./disk-rule.ts";
import { draw, drawBelow } from "./draw.ts";

/** Bytes, if a rule does not say. */
export const WRITE_CACHE_DEFAULT = 256 * 1024;

/** Which cache a rule assumes. */
export type CacheParameters = Pick<PowerCut, "disk" | "cache" | "flush">;

/** Rules that assume the same cache share one. */
const cacheKey = ({ cache = WRITE_CACHE_DEFAULT, flush = true }: CacheParameters): string =>
	`${cache} ${flush}`;

/** A write that is pending. The bytes are never changed. */
export interface PendingWrite {
	readonly sector: number;
	readonly bytes: Uint8Array;
}

export interface WriteCacheState {
	/** The oldest first. */
	readonly pending: readonly PendingWrite[];
	/** [sector, what is stored, pending writes to it] */
	readonly stored: readonly (readonly [number, Uint8Array, number])[];
}

/** What becomes of a part of a pending write. */
type Fate = "kept" | "lost" | "garbage";

/** What survives as a whole or not at all: a pending write, or a sector of one. */
interface Unit {
	readonly write: number;
	readonly sector: number;
	readonly bytes: Uint8Array;
}

/** A loss of power: what decides about it. */
export interface Outage {
	readonly rule: string;
	readonly ordinal: number;
	readonly seed: number;
	readonly params: PowerCut;
	/** What happened then: "flush". */
	readonly target: string;
	/** What is lost: "power", or "cache" alone. */
	readonly what: "power" | "cache";
}

/** What a loss of power leaves. */
export interface Aftermath {
	/** What the sectors of all pending writes hold now. */
	readonly contents: ReadonlyMap<number, Uint8Array>;
	/** What became of each pending write, in words; "" if there was none. */
	readonly effect: string;
}

const sectorsOf = ({ sector, bytes }: PendingWrite): number[] =>
	Array.from({ length: bytes.length / SECTOR_SIZE }, (_, i) => sector + i);

const sliceOf = ({ sector, bytes }: PendingWrite, at: number): Uint8Array =>
	bytes.slice((at - sector) * SECTOR_SIZE, (at - sector + 1) * SECTOR_SIZE);

export class WriteCache {
	/** The oldest first. */
	#pending: PendingWrite[] = [];
	#bytes = 0;
	/** What is stored in sectors that have pending writes, and how many they have. */
	#stored = new Map<number, { bytes: Uint8Array; writes: number }>();
	readonly #capacity: number;
	readonly #flushes: boolean;

	/** => `capacity` in bytes. `flushes`: whether it does what a flush asks for. */
	constructor(capacity: number, flushes: boolean) {
		this.#capacity = capacity;
		this.#flushes = flushes;
	}

	get pending(): readonly PendingWrite[] {
		return this.#pending;
	}

	/**
	 * A write is acknowledged; before, its sectors held `before`. The oldest writes are stored until
	 * all others fit.
	 * => `bytes` are not changed any more.
	 */
	add(write: PendingWrite, before: Uint8Array): void {
		for (const [i, sector] of sectorsOf(write).entries()) {
			const known = this.#stored.get(sector);
			if (known !== undefined) known.writes++;
			else {
				const bytes = before.slice(i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE);
				this.#stored.set(sector, { bytes, writes: 1 });
			}
		}
		this.#pending.push(write);
		this.#bytes += write.bytes.length;
		while (this.#bytes > this.#capacity) this.#store();
	}

	/** The oldest write is stored. */
	#store(): void {
		const write = this.#pending.shift()!;
		this.#bytes -= write.bytes.length;
		for (const sector of sectorsOf(write)) {
			const known = this.#stored.get(sector)!;
			if (--known.writes === 0) this.#stored.delete(sector);
			else known.bytes = sliceOf(write, sector);
		}
	}

	flush(): void {
		if (this.#flushes) this.clear();
	}

	/** Nothing is pending any more. */
	clear(): void {
		this.#pending = [];
		this.#bytes = 0;
		this.#stored.clear();
	}

	/** The power fails. => the cache is as it was. */
	lose(outage: Outage): Aftermath {
		const contents = new Map([...this.#stored].map(([sector, { bytes }]) => [sector, bytes]));
		const units = unitsOf(this.#pending, outage.params.unit ?? "sector");
		const fates = fatesOf(units.length, outage);
		for (const [i, unit] of units.entries()) {
			const fate = fates[i]!;
			if (fate === "lost") continue;
			for (const sector of sectorsOf(unit)) {
				const bytes = fate === "kept" ? sliceOf(unit, sector) : garbage(i, sector, outage);
				contents.set(sector, bytes);
			}
		}
		const effects = this.#pending.map((write, i) =>
			describe(
				write,
				fates.filter((_, j) => units[j]!.write === i),
			),
		);
		return { contents, effect: effects.join("; ") };
	}

	save(): WriteCacheState {
		return {
			pending: this.#pending.slice(),
			stored: [...this.#stored].map(([sector, { bytes, writes }]) => [sector, bytes, writes]),
		};
	}

	restore({ pending, stored }: WriteCacheState): void {
		this.#pending = pending.slice();
		this.#bytes = pending.reduce((sum, { bytes }) => sum + bytes.length, 0);
		this.#stored = new Map(stored.map(([sector, bytes, writes]) => [sector, { bytes, writes }]));
	}
}

/** The caches that the rules of one disk assume. */
export class WriteCaches {
	#caches = new Map<string, WriteCache>();

	get none(): boolean {
		return this.#caches.size === 0;
	}

	/** Of the first of them. */
	get pending(): readonly PendingWrite[] {
		return [...this.#caches.values()][0]?.pending ?? [];
	}

	/** => `params.cache` is whole sectors: see checkSectors. */
	add(params: CacheParameters): void {
		const { cache = WRITE_CACHE_DEFAULT, flush = true } = params;
		const key = cacheKey(params);
		if (!this.#caches.has(key)) this.#caches.set(key, new WriteCache(cache, flush));
	}

	/** Only those that are needed are kept. */
	keep(needed: readonly CacheParameters[]): void {
		const keys = new Set(needed.map(cacheKey));
		for (const key of [...this.#caches.keys()]) if (!keys.has(key)) this.#caches.delete(key);
	}

	/** As WriteCache.add, for each. */
	write(write: PendingWrite, before: Uint8Array): void {
		for (const cache of this.#caches.values()) cache.add(write, before);
	}

	flush(): void {
		for (const cache of this.#caches.values()) cache.flush();
	}

	/** What is pending is lost, as the rule says. => nothing is pending any more */
	lose(outage: Outage): Aftermath {
		const { params } = outage;
		const cache = this.#caches.get(cacheKey(params)) ?? [...this.#caches.values()][0];
		const aftermath = cache?.lose(outage) ?? { contents: new Map(), effect: "" };
		for (const each of this.#caches.values()) each.clear();
		return aftermath;
	}

	save(): WriteCachesState {
		return [...this.#caches].map(([key, cache]) => [key, cache.save()]);
	}

	restore(state: WriteCachesState): void {
		this.#caches = new Map();
		for (const [key, saved] of state) {
			const [capacity, flush] = key.split(" ");
			const cache = new WriteCache(Number(capacity), flush === "true");
			cache.restore(saved);
			this.#caches.set(key, cache);
		}
	}
}

/** By the rules' parameters. */
export type WriteCachesState = readonly (readonly [string, WriteCacheState])[];

function unitsOf(pending: readonly PendingWrite[], unit: "sector" | "write"): Unit[] {
	return pending.flatMap((write, i): Unit[] =>
		unit === "write"
			? [{ ...write, write: i }]
			: sectorsOf(write).map((sector) => ({ write: i, sector, bytes: sliceOf(write, sector) })),
	);
}

/** What becomes of each of `n` units, which are in the order in which they were written. */
function fatesOf(n: number, { rule, ordinal, seed, params }: Outage): Fate[] {
	const choose = (field: string, of: number): number =>
		drawBelow(seed, rule, ordinal, field, of || 1);
	const { keep = "random", units, order = "fifo" } = params;
	const all = Array.from({ length: n }, (_, i) => i);
	switch (keep) {
		case "all":
		case "none":
			return all.map(() => (keep === "all" ? "kept" : "lost"));
		case "prefix": {
			const kept = units ?? choose("units", n + 1);
			if (order === "free") {
				for (let i = n - 1; i > 0; i--) {
					const j = choose(`order ${i}`, i + 1);
					[all[i], all[j]] = [all[j]!, all[i]!];
				}
			}
			const chosen = new Set(all.slice(0, kept));
			return all.map((_, i) => (chosen.has(i) ? "kept" : "lost"));
		}
		case "single-drop": {
			const dropped = units ?? 1 + choose("units", n);
			return all.map((i) => (i + 1 === dropped ? "lost" : "kept"));
		}
		case "random":
			// As SQLite's tests: 37.5 %, 37.5 %, 25 %.
			return all.map(
				(i) =>
					(["kept", "kept", "kept", "lost", "lost", "lost"] as const)[choose(`fate ${i}`, 8)] ??
					"garbage",
			);
	}
}

function garbage(unit: number, sector: number, { rule, ordinal, seed }: Outage): Uint8Array {
	const words = Uint32Array.from({ length: SECTOR_SIZE / 4 }, (_, i) =>
		draw(seed, rule, ordinal, `garbage ${unit} ${sector} ${i}`),
	);
	return new Uint8Array(words.buffer);
}

/** "sectors 8 to 15: kept", "sectors 16 to 23: 3 kept, 5 lost". */
function describe({ sector, bytes }: PendingWrite, fates: readonly Fate[]): string {
	const what = `sectors ${sector} to ${sector + bytes.length / SECTOR_SIZE - 1}`;
	const kinds = (["kept", "lost", "garbage"] as const).filter((fate) => fates.includes(fate));
	if (kinds.length === 1) return `${what}: ${kinds[0]}`;
	const counts = kinds.map((kind) => `${fates.filter((fate) => fate === kind).length} ${kind}`);
	return `${what}: ${counts.join(", ")}`;
}
