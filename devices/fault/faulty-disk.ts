/**
 * A disk that fails. The medium below holds what the guest has written, always; what the disk
 * returns instead, after silent faults and losses of its power, lies in an overlay, sector by
 * sector. So a fault can be lifted, and the harm that is done is known.
 */
import type { WordHash } from "../../machine/hash.ts";
import {
	checkRange,
	DISK_EIO,
	DISK_OK,
	type DiskMedia,
	type DiskResult,
	SECTOR_SIZE,
} from "../disk/disk-media.ts";
import { Arming, type ArmingState, type Gates } from "./arming.ts";
import { invert, tear } from "./disk-damage.ts";
import {
	checkSectors,
	directionOf,
	isFailure,
	isPowerCut,
	isSilent,
	type MediaRule,
	overlaps,
	type PowerCut,
	withLife,
} from "./disk-rule.ts";
import { type FaultPlace, NOWHERE } from "./fault-place.ts";
import { Ledger, type LedgerState } from "./ledger.ts";
import { FaultRuleError } from "./rule-error.ts";
import {
	type CacheParameters,
	type Outage,
	type PendingWrite,
	WriteCaches,
	type WriteCachesState,
} from "./write-cache.ts";

export interface FaultyDiskState {
	readonly seed: number;
	/** The rules in force, with what has become of them. */
	readonly armings: readonly { readonly rule: MediaRule; readonly state: ArmingState }[];
	/** [sector, what is read there]; the arrays are never changed. */
	readonly overlay: readonly (readonly [number, Uint8Array])[];
	readonly ledger: LedgerState;
	/** "rule sector" for each sector of a latent error that was written since. */
	readonly healed: readonly string[];
	/** Of rules about losses of power. */
	readonly caches: WriteCachesState;
	readonly failedReads: number;
	readonly failedWrites: number;
	readonly nextId: number;
	readonly medium: unknown;
}

const sectorAt = (bytes: Uint8Array, i: number): Uint8Array =>
	bytes.slice(i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE);

export class FaultyDisk implements DiskMedia {
	readonly sectors: number;
	readonly readOnly: boolean;
	readonly ledger = new Ledger();
	/** Requests that a rule has made fail. */
	failedReads = 0;
	failedWrites = 0;
	readonly #medium: DiskMedia;
	#seed: number;
	#armings: Arming[] = [];
	#overlay = new Map<number, Uint8Array>();
	#healed = new Set<string>();
	#caches = new WriteCaches();
	/** Caches that rules about the disk's timing assume. */
	#assumed: readonly CacheParameters[] = [];
	#place: () => FaultPlace = () => NOWHERE;
	#outage: (outage: Outage) => void = (outage) => this.losePower(outage);
	#gates: Gates | null = null;
	#nextId = 0;

	/** => `seed`: for random decisions. UserError for sectors that the medium does not have. */
	constructor(medium: DiskMedia, rules: readonly MediaRule[] = [], seed = 1) {
		this.#medium = medium;
		this.#seed = seed;
		this.sectors = medium.sectors;
		this.readOnly = medium.readOnly;
		for (const rule of rules) this.add(rule);
	}

	/** The medium below, without faults. */
	get pristine(): DiskMedia {
		return this.#medium;
	}

	/** The rules in force, the oldest first. */
	get armings(): readonly Readonly<Arming>[] {
		return this.#armings;
	}

	/** Writes that a loss of power may undo, the oldest first; of the first of its caches. */
	get pending(): readonly PendingWrite[] {
		return this.#caches.pending;
	}

	/** Sectors that read as something else than what was written to them. */
	get altered(): readonly number[] {
		return [...this.#overlay.keys()].sort((a, b) => a - b);
	}

	/** Add what reads return in place of what was written. => nothing if they return that. */
	hashInto(hash: WordHash): void {
		for (const sector of this.altered) {
			hash.number(sector).words(new Int32Array(this.#overlay.get(sector)!.slice().buffer));
		}
	}

	/**
	 * From now on `place` says where the computer is, and `gates` which rules are open. `outage` is
	 * told of a loss of power of the whole computer, and calls losePower of all its disks.
	 */
	connect(
		place: () => FaultPlace,
		outage: (outage: Outage) => void,
		gates: Gates | null = null,
	): void {
		this.#place = place;
		this.#outage = outage;
		this.#gates = gates;
		for (const arming of this.#armings) arming.gates = gates;
	}

	/**
	 * Replace all rules, and forget what the old ones have done. `candidates` says how many each has
	 * had. => FaultRuleError as `add`.
	 */
	load(rules: readonly MediaRule[], seed = 1, candidates: ReadonlyMap<string, number>): void {
		const caches = this.#caches;
		this.liftAll();
		// A cache that new rules assume as well is as full as it was.
		this.#caches = caches;
		this.heal();
		this.#healed.clear();
		this.ledger.clear();
		this.failedReads = 0;
		this.failedWrites = 0;
		this.#seed = seed;
		for (const rule of rules) this.add(rule);
		this.#dropCaches();
		for (const arming of this.#armings) arming.candidates = candidates.get(arming.rule.id) ?? 0;
	}

	/** => FaultRuleError for sectors that the disk does not have, or an id that is taken. */
	add(rule: MediaRule): void {
		checkSectors(rule, this.sectors);
		if (this.#armings.some((other) => other.rule.id === rule.id)) {
			throw new FaultRuleError(rule.id, ["id"], "there is a rule of this name already");
		}
		if (rule.model === "disk.power-cut") this.#caches.add(rule.params);
		this.#armings.push(new Arming(this.#seed, withLife(rule), this.#gates));
	}

	/** From now on there are these caches, too, for rules that call losePower. */
	assume(caches: readonly CacheParameters[]): void {
		this.#assumed = caches;
		for (const params of caches) this.#caches.add(params);
		this.#dropCaches();
	}

	/** Only what rules in force need is kept. */
	#dropCaches(): void {
		const cuts = this.#armings.filter(isPowerCut);
		const own = cuts.map(({ rule }) => rule.params as unknown as PowerCut);
		this.#caches.keep([...own, ...this.#assumed]);
	}

	/**
	 * Every read that overlaps [sector, sector + count) fails as a whole with DISK_EIO, until the
	 * rule is lifted. => the id of the rule. UserError for sectors that the disk does not have.
	 */
	failReads(sector: number, count: number): string {
		return this.#fail("read", sector, count);
	}

	/** The same for writes. */
	failWrites(sector: number, count: number): string {
		return this.#fail("write", sector, count);
	}

	#fail(direction: "read" | "write", sector: number, count: number): string {
		const id = `bad-${this.#nextId++}`;
		this.add({ id, model: "disk.bad-sector", params: { disk: "disk", sector, count, direction } });
		return id;
	}

	/** Remove a rule; what it has done to data stays. => false if there is none of this name. */
	lift(id: string): boolean {
		const before = this.#armings.length;
		this.#armings = this.#armings.filter(({ rule }) => rule.id !== id);
		this.#dropCaches();
		return this.#armings.length < before;
	}

	liftAll(): void {
		this.#armings = [];
		this.#caches = new WriteCaches();
	}

	/** From now on the disk returns what was written to it. */
	heal(): void {
		this.#overlay.clear();
	}

	read(sector: number, into: Uint8Array): DiskResult {
		if (checkRange(this, sector, into.length) !== DISK_OK) return this.#medium.read(sector, into);
		if (this.#fails("read", sector, into.length)) {
			this.failedReads++;
			return DISK_EIO;
		}
		const result = this.#medium.read(sector, into);
		if (result !== DISK_OK) return result;
		this.#patch(sector, into);
		for (const arming of this.#armings) {
			const rule = arming.rule as MediaRule;
			if (rule.model !== "disk.corrupt" || !this.#concerns(arming, "read", sector, into.length)) {
				continue;
			}
			const ordinal = arming.decide(this.#place().ns);
			if (ordinal < 0) continue;
			const effect = invert({ seed: this.#seed, rule: rule.id, ordinal }, rule.params.bits, into);
			if (rule.params.sticky === true) this.#lay(sector, into);
			this.#note(rule.id, ordinal, "read", sector, into.length, effect);
		}
		return DISK_OK;
	}

	write(sector: number, bytes: Uint8Array): DiskResult {
		if (this.readOnly || checkRange(this, sector, bytes.length) !== DISK_OK) {
			return this.#medium.write(sector, bytes);
		}
		if (this.#fails("write", sector, bytes.length)) {
			this.failedWrites++;
			return DISK_EIO;
		}
		const harms = this.#silences("write", sector, bytes.length);
		const before = harms || !this.#caches.none ? this.#view(sector, bytes) : null;
		const result = this.#medium.write(sector, bytes);
		if (result !== DISK_OK) return result;
		for (let i = 0; i < bytes.length / SECTOR_SIZE; i++) this.#overlay.delete(sector + i);
		this.#healLatent(sector, bytes.length);
		if (before === null) return DISK_OK;
		const harm = harms ? this.#harm(sector, bytes, before) : DISK_OK;
		if (!this.#caches.none) this.#acknowledge(sector, bytes, before);
		return harm;
	}

	flush(): DiskResult {
		this.#cutPower("flush", "flush");
		const result = this.#medium.flush();
		if (result === DISK_OK) this.#caches.flush();
		return result;
	}

	/** A write is pending, as what can be read of it. */
	#acknowledge(sector: number, bytes: Uint8Array, before: Uint8Array): void {
		this.#caches.write({ sector, bytes: this.#view(sector, bytes) }, before);
		const last = sector + bytes.length / SECTOR_SIZE - 1;
		this.#cutPower("write", `write of sectors ${sector} to ${last}`);
	}

	/** A write or flush is a candidate of rules about losses of power. */
	#cutPower(on: "write" | "flush", target: string): void {
		for (const arming of this.#armings) {
			const { rule } = arming;
			if (!isPowerCut(arming)) continue;
			const params = rule.params as unknown as PowerCut;
			if ((params.on ?? "write") !== on) continue;
			const ordinal = arming.decide(this.#place().ns);
			if (ordinal < 0) continue;
			const how = { seed: this.#seed, params, target, what: "power" } as const;
			const outage: Outage = { rule: rule.id, ordinal, ...how };
			if (params.scope === "disk") this.losePower(outage);
			else this.#outage(outage);
		}
	}

	/**
	 * The power fails: of what is pending in the cache, as much survives as the rule says. When the
	 * whole computer has lost its power, the medium holds what can be read.
	 * => a disk without a rule about that has no volatile cache
	 */
	losePower(outage: Outage): void {
		const { rule, ordinal, params, target, what: lost } = outage;
		const { contents, effect } = this.#caches.lose(outage);
		for (const [sector, bytes] of contents) this.#lay(sector, bytes);
		const own = lost === "cache" || this.#armings.some((arming) => arming.rule.id === rule);
		if (own || effect !== "") {
			const what = effect === "" ? "nothing was pending" : effect;
			this.ledger.add({ rule, ordinal, ...this.#place(), target, effect: `${lost} lost: ${what}` });
		}
		if (params.scope !== "disk") this.#settle();
	}

	/** The medium gets what can be read. */
	#settle(): void {
		for (const [sector, bytes] of this.#overlay) this.#medium.write(sector, bytes);
		this.#overlay.clear();
	}

	/** Sectors that are written are sound again, if the error has begun. */
	#healLatent(sector: number, length: number): void {
		for (const arming of this.#armings) {
			const { model, id, when } = arming.rule;
			if (model !== "disk.latent" || !overlaps(arming.rule, sector, length)) continue;
			if ((when?.window?.[0] ?? 0) > this.#place().ns) continue;
			for (let i = 0; i < length / SECTOR_SIZE; i++) this.#healed.add(`${id} ${sector + i}`);
		}
	}

	/** Do the silent rules that concern a write what they do. `before`: what could be read there. */
	#harm(sector: number, bytes: Uint8Array, before: Uint8Array): DiskResult {
		let result: DiskResult = DISK_OK;
		for (const arming of this.#armings) {
			if (!isSilent(arming) || !this.#concerns(arming, "write", sector, bytes.length)) continue;
			const ordinal = arming.decide(this.#place().ns);
			if (ordinal < 0) continue;
			const rule = arming.rule as MediaRule;
			let effect = "the disk keeps the old data";
			switch (rule.model) {
				case "disk.lost-write":
					this.#lay(sector, before);
					break;
				case "disk.misdirected-write": {
					const to = sector + (rule.params.offset ?? 8);
					this.#lay(sector, before);
					this.#lay(to, bytes);
					effect = `the data are in sectors from ${to} on`;
					break;
				}
				case "disk.corrupt": {
					const altered = bytes.slice();
					effect = invert({ seed: this.#seed, rule: rule.id, ordinal }, rule.params.bits, altered);
					this.#lay(sector, altered);
					break;
				}
				case "disk.torn-write":
					{
						const torn = tear(
							{ seed: this.#seed, rule: rule.id, ordinal },
							rule.params,
							bytes,
							before,
						);
						this.#lay(sector, torn.seen);
						effect = torn.effect;
					}
					if (rule.params.report === "error") result = DISK_EIO;
			}
			this.#note(rule.id, ordinal, "write", sector, bytes.length, effect);
		}
		if (result !== DISK_OK) this.failedWrites++;
		return result;
	}

	/** What a read returns now, without noting it. */
	#view(sector: number, like: Uint8Array): Uint8Array {
		const bytes = new Uint8Array(like.length);
		this.#medium.read(sector, bytes);
		this.#patch(sector, bytes);
		return bytes;
	}

	/** Have reads return `bytes`, as far as they differ from the medium. */
	#lay(sector: number, bytes: Uint8Array): void {
		const written = new Uint8Array(SECTOR_SIZE);
		for (let i = 0; i < bytes.length / SECTOR_SIZE; i++) {
			const at = sector + i;
			if (at < 0 || at >= this.sectors) continue;
			const seen = sectorAt(bytes, i);
			this.#medium.read(at, written);
			if (seen.every((byte, j) => byte === written[j])) this.#overlay.delete(at);
			else this.#overlay.set(at, seen);
		}
	}

	#patch(sector: number, into: Uint8Array): void {
		if (this.#overlay.size === 0) return;
		for (let i = 0; i < into.length / SECTOR_SIZE; i++) {
			const seen = this.#overlay.get(sector + i);
			if (seen !== undefined) into.set(seen, i * SECTOR_SIZE);
		}
	}

	/** Is the request a candidate of the rule? */
	#concerns(arming: Arming, direction: "read" | "write", sector: number, length: number): boolean {
		const rule = arming.rule as MediaRule;
		const of = directionOf(rule);
		if ((of !== direction && of !== "both") || !overlaps(arming.rule, sector, length)) return false;
		if (rule.model !== "disk.latent") return true;
		const { sector: first = 0, count = rule.params.sector === undefined ? this.sectors : 1 } =
			rule.params;
		const end = Math.min(first + count, sector + length / SECTOR_SIZE);
		for (let at = Math.max(first, sector); at < end; at++) {
			if (!this.#healed.has(`${rule.id} ${at}`)) return true;
		}
		return false;
	}

	/** Is there a silent rule that may concern the request? */
	#silences(direction: "read" | "write", sector: number, length: number): boolean {
		for (const arming of this.#armings) {
			if (isSilent(arming) && this.#concerns(arming, direction, sector, length)) return true;
		}
		return false;
	}

	/** Each rule that makes requests fail is asked, so that none depends on another. */
	#fails(direction: "read" | "write", sector: number, length: number): boolean {
		let failed = false;
		for (const arming of this.#armings) {
			if (!isFailure(arming) || !this.#concerns(arming, direction, sector, length)) continue;
			const ordinal = arming.decide(this.#place().ns);
			if (ordinal < 0) continue;
			failed = true;
			this.#note(arming.rule.id, ordinal, direction, sector, length, "failed");
		}
		return failed;
	}

	#note(
		rule: string,
		ordinal: number,
		direction: string,
		sector: number,
		length: number,
		effect: string,
	): void {
		const target = `${direction} of sectors ${sector} to ${sector + length / SECTOR_SIZE - 1}`;
		this.ledger.add({ rule, ordinal, ...this.#place(), target, effect });
	}

	save(): FaultyDiskState {
		return this.#save(this.#medium.save());
	}

	restore(state: FaultyDiskState): void {
		this.#restore(state);
		this.#medium.restore(state.medium);
	}

	checkpoint(): FaultyDiskState {
		return this.#save(this.#medium.checkpoint());
	}

	rollback(checkpoint: FaultyDiskState): void {
		this.#restore(checkpoint);
		this.#medium.rollback(checkpoint.medium);
	}

	release(checkpoint: FaultyDiskState): void {
		this.#medium.release(checkpoint.medium);
	}

	#save(medium: unknown): FaultyDiskState {
		return {
			seed: this.#seed,
			armings: this.#armings.map((a) => ({ rule: a.rule as MediaRule, state: a.save() })),
			overlay: [...this.#overlay],
			ledger: this.ledger.save(),
			healed: [...this.#healed],
			caches: this.#caches.save(),
			failedReads: this.failedReads,
			failedWrites: this.failedWrites,
			nextId: this.#nextId,
			medium,
		};
	}

	#restore(state: FaultyDiskState): void {
		this.#seed = state.seed;
		this.#armings = state.armings.map(({ rule, state: progress }) => {
			const arming = new Arming(this.#seed, rule, this.#gates);
			arming.restore(progress);
			return arming;
		});
		this.#overlay = new Map(state.overlay);
		this.ledger.restore(state.ledger);
		this.#healed = new Set(state.healed);
		this.#caches.restore(state.caches);
		this.failedReads = state.failedReads;
		this.failedWrites = state.failedWrites;
		this.#nextId = state.nextId;
	}
}
