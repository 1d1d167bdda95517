/**
 * Bad sectors on any medium. The faults are a list beside the medium, which stays unchanged
 * below, so a fault can be lifted and every failed request is accounted for.
 */

import { UserError } from "../../machine/user-error.ts";
import {
	checkRange,
	DISK_EIO,
	DISK_OK,
	type DiskMedia,
	type DiskResult,
	SECTOR_SIZE,
} from "../disk/disk-media.ts";

export interface SectorFault {
	/** The argument of `lift`. */
	readonly id: number;
	readonly kind: "read" | "write";
	readonly sector: number;
	readonly count: number;
	/** Requests that it has failed. */
	injected: number;
}

export interface SectorFaultsState {
	readonly nextId: number;
	readonly faults: SectorFault[];
	readonly injectedReads: number;
	readonly injectedWrites: number;
	readonly medium: unknown;
}

export class SectorFaults implements DiskMedia {
	readonly sectors: number;
	readonly readOnly: boolean;
	/** Requests failed since the start, by faults that were lifted since as well. */
	injectedReads = 0;
	injectedWrites = 0;
	#faults: SectorFault[] = [];
	#nextId = 0;
	readonly #medium: DiskMedia;

	constructor(medium: DiskMedia) {
		this.#medium = medium;
		this.sectors = medium.sectors;
		this.readOnly = medium.readOnly;
	}

	/** The medium below, without faults. */
	get pristine(): DiskMedia {
		return this.#medium;
	}

	/** The faults in force, the oldest first. */
	get faults(): readonly Readonly<SectorFault>[] {
		return this.#faults;
	}

	/**
	 * Every read that overlaps [sector, sector + count) fails as a whole with DISK_EIO.
	 * => the fault's id. UserError for sectors that the medium does not have.
	 */
	failReads(sector: number, count: number): number {
		return this.#add("read", sector, count);
	}

	/** The same for writes. */
	failWrites(sector: number, count: number): number {
		return this.#add("write", sector, count);
	}

	/** Remove a fault. => false if no fault has this id. */
	lift(id: number): boolean {
		const before = this.#faults.length;
		this.#faults = this.#faults.filter((fault) => fault.id !== id);
		return this.#faults.length < before;
	}

	liftAll(): void {
		this.#faults = [];
	}

	read(sector: number, into: Uint8Array): DiskResult {
		if (this.#fails("read", sector, into.length)) {
			this.injectedReads++;
			return DISK_EIO;
		}
		return this.#medium.read(sector, into);
	}

	write(sector: number, bytes: Uint8Array): DiskResult {
		if (!this.readOnly && this.#fails("write", sector, bytes.length)) {
			this.injectedWrites++;
			return DISK_EIO;
		}
		return this.#medium.write(sector, bytes);
	}

	flush(): DiskResult {
		return this.#medium.flush();
	}

	save(): SectorFaultsState {
		return this.#save(this.#medium.save());
	}

	restore(state: SectorFaultsState): void {
		this.#restore(state);
		this.#medium.restore(state.medium);
	}

	checkpoint(): SectorFaultsState {
		return this.#save(this.#medium.checkpoint());
	}

	rollback(checkpoint: SectorFaultsState): void {
		this.#restore(checkpoint);
		this.#medium.rollback(checkpoint.medium);
	}

	release(checkpoint: SectorFaultsState): void {
		this.#medium.release(checkpoint.medium);
	}

	#save(medium: unknown): SectorFaultsState {
		return {
			nextId: this.#nextId,
			faults: this.#faults.map((fault) => ({ ...fault })),
			injectedReads: this.injectedReads,
			injectedWrites: this.injectedWrites,
			medium,
		};
	}

	#restore(state: SectorFaultsState): void {
		this.#nextId = state.nextId;
		this.#faults = state.faults.map((fault) => ({ ...fault }));
		this.injectedReads = state.injectedReads;
		this.injectedWrites = state.injectedWrites;
	}

	#add(kind: SectorFault["kind"], sector: number, count: number): number {
		if (count < 1 || checkRange(this, sector, count * SECTOR_SIZE) !== DISK_OK) {
			throw new UserError(
				`sector faults: [${sector}, +${count}) is not in a disk of ${this.sectors} sectors`,
			);
		}
		const id = this.#nextId++;
		this.#faults.push({ id, kind, sector, count, injected: 0 });
		return id;
	}

	/** An invalid request is left to the medium to refuse. */
	#fails(kind: SectorFault["kind"], sector: number, length: number): boolean {
		const end = sector + length / SECTOR_SIZE;
		const fault = this.#faults.find(
			(f) => f.kind === kind && f.sector < end && sector < f.sector + f.count,
		);
		if (fault === undefined || checkRange(this, sector, length) !== DISK_OK) return false;
		fault.injected++;
		return true;
	}
}
