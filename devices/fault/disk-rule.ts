/**
 * What a disk rule does: fault-models of a disk, and their parameters. A candidate is a request of
 * the rule's direction that overlaps its sectors.
 */
import { SECTOR_SIZE } from "../disk/disk-media.ts";
import type { ControllerFault } from "../disk/timing.ts";
import type { FaultRule } from "./rule.ts";
import { FaultRuleError } from "./rule-error.ts";

export type DiskDirection = "read" | "write" | "both";

interface DiskTarget {
	/** "ld0", "ld1", ...; of a bare machine "disk0", "disk1", ... */
	readonly disk: string;
	/** Default: all of the disk. */
	readonly sector?: number | undefined;
	/** Sectors from there on. Default: 1. */
	readonly count?: number | undefined;
}

/** Requests fail as a whole, with an error; nothing is read or written. For good by default. */
export interface BadSector extends DiskTarget {
	/** Default: "read". */
	readonly direction?: DiskDirection | undefined;
}

/** Requests fail; asked again, they succeed. */
export interface Transient extends DiskTarget {
	/** Default: "both". */
	readonly direction?: DiskDirection | undefined;
}

/** Reads fail until the sectors are written again. For good by default. */
export type Latent = DiskTarget;

/** Bits of a transfer are inverted, and nobody says so. */
export interface Corrupt extends DiskTarget {
	/** Default: "read". Of a write, the disk keeps the wrong data. */
	readonly direction?: "read" | "write" | undefined;
	/** How many bits of the transfer, in places that the seed chooses. Default: 1. */
	readonly bits?: number | undefined;
	/** Of a read: the disk keeps returning the wrong data until they are overwritten. */
	readonly sticky?: boolean | undefined;
}

/** Only a part of a write arrives. */
export interface Torn extends DiskTarget {
	/** What arrives whole or not at all. Default: 512 bytes. */
	readonly unit?: 512 | 4096 | undefined;
	/** Which units arrive: the first, the last, or every second one. Default: "prefix". */
	readonly keep?: "prefix" | "suffix" | "interleaved" | undefined;
	/** How many, of a prefix or suffix. Default: any number, as the seed chooses. */
	readonly units?: number | undefined;
	/** What is in the others then: what was there, zeros, or random bytes. Default: "old". */
	readonly rest?: "old" | "zero" | "garbage" | undefined;
	/** What the guest is told. Default: "ok". */
	readonly report?: "ok" | "error" | undefined;
}

/** A write goes to other sectors, whose contents it replaces; its own keep theirs. */
export interface Misdirected extends DiskTarget {
	/** Sectors further. Default: 8. What lies outside of the disk is lost. */
	readonly offset?: number | undefined;
}

/** A write is acknowledged, and never arrives. */
export type Lost = DiskTarget;

/** A request takes longer. A candidate is a request that moves data. */
export interface Latency extends DiskTarget {
	/** Default: lognormal, with a median of 50 ms and one in a hundred above 2 s, by the seed. */
	readonly addNs?: number | undefined;
}

/**
 * The controller stops completing: requests that arrive in the life of the rule complete when it is
 * over, or never. A candidate is any request. For good by default.
 */
export type Hang = Pick<DiskTarget, "disk">;

/** The controller fails: requests in flight are lost. A candidate is any request. */
export interface Controller extends Hang {
	/** It works on, or stops until the driver resets it. Default: "needs-reset". */
	readonly mode?: ControllerFault | undefined;
	/**
	 * The disk has a volatile write cache of so many bytes, a multiple of 512, and loses what is
	 * pending there, too. Default: it has none.
	 */
	readonly cache?: number | undefined;
}

/**
 * The disk has a volatile write cache, and its power fails. A candidate is a write, which is
 * pending then, too, or a flush, which has done nothing yet.
 */
export interface PowerCut extends Pick<DiskTarget, "disk"> {
	/** Default: "write". */
	readonly on?: "write" | "flush" | undefined;
	/** The computer's power, which ends the run, or that of the disk alone. Default: "machine". */
	readonly scope?: "machine" | "disk" | undefined;
	/**
	 * What survives of the writes that are pending: each part is kept, lost or turned into
	 * garbage, in three, three and two of eight cases, as the seed chooses; the first parts; all
	 * but one; all; none. Default: "random".
	 */
	readonly keep?: "random" | "prefix" | "single-drop" | "all" | "none" | undefined;
	/** How many of a prefix; which one is lost, from 1. Default: as the seed chooses. */
	readonly units?: number | undefined;
	/** What survives whole or not at all. Default: "sector". */
	readonly unit?: "sector" | "write" | undefined;
	/** Which the first ones of a prefix are: the oldest, or as the seed chooses. Default: "fifo". */
	readonly order?: "fifo" | "free" | undefined;
	/** Size of the cache in bytes, a multiple of 512. Default: 256 KiB. */
	readonly cache?: number | undefined;
	/** Whether a flush does what it should. Default: true. */
	readonly flush?: boolean | undefined;
}

/** The models of a medium, with their parameters. */
export interface MediaModels {
	readonly "disk.bad-sector": BadSector;
	readonly "disk.transient": Transient;
	readonly "disk.latent": Latent;
	readonly "disk.corrupt": Corrupt;
	readonly "disk.torn-write": Torn;
	readonly "disk.misdirected-write": Misdirected;
	readonly "disk.lost-write": Lost;
	readonly "disk.power-cut": PowerCut;
}

/** The models of what a disk takes in time. */
export interface TimingModels {
	readonly "disk.latency": Latency;
	readonly "disk.hang": Hang;
	readonly "disk.controller": Controller;
}

export type DiskModels = MediaModels & TimingModels;

type RuleOf<Models> = {
	readonly [M in keyof Models]: FaultRule & { readonly model: M; readonly params: Models[M] };
}[keyof Models];

export type MediaRule = RuleOf<MediaModels>;
export type TimingRule = RuleOf<TimingModels>;
export type DiskRule = MediaRule | TimingRule;

export const isTimingRule = (rule: DiskRule): rule is TimingRule =>
	["disk.latency", "disk.hang", "disk.controller"].includes(rule.model);

/** Which requests are candidates of a rule. */
export function directionOf(rule: MediaRule): DiskDirection {
	switch (rule.model) {
		case "disk.bad-sector":
		case "disk.corrupt":
			return rule.params.direction ?? "read";
		case "disk.transient":
			return rule.params.direction ?? "both";
		case "disk.latent":
			return "read";
		default:
			return "write";
	}
}

/** The rule with the life that its model has by default. */
export function withLife<R extends DiskRule>(rule: R): R {
	const lasting = ["disk.bad-sector", "disk.latent", "disk.hang"].includes(rule.model);
	return rule.life === undefined && lasting ? { ...rule, life: "permanent" } : rule;
}

/** The sectors that the rule is about; `sector` undefined: all. */
export const sectorsOf = ({
	params,
}: DiskRule): { sector?: number | undefined; count?: number | undefined } =>
	params as { sector?: number; count?: number };

/** => FaultRuleError for sectors that its disk, which has so many, does not have, and for parts */
export function checkSectors(rule: DiskRule, sectors: number): void {
	const { sector = 0, count = 1 } = sectorsOf(rule);
	const { cache = 0 } = rule.params as { readonly cache?: number };
	if (cache % SECTOR_SIZE !== 0) {
		throw new FaultRuleError(rule.id, ["params", "cache"], `${cache}: not whole sectors`);
	}
	if (count >= 1 && sector >= 0 && sector + count <= sectors) return;
	const range = `sectors ${sector} to ${sector + count - 1}`;
	const what = `${rule.params.disk} has no ${range}, but ${sectors} in all`;
	throw new FaultRuleError(rule.id, ["params", "sector"], what);
}

/** Is the rule about any sector of a transfer of `bytes` bytes? */
export function overlaps(rule: FaultRule, sector: number, bytes: number): boolean {
	const { sector: first, count = 1 } = sectorsOf(rule as MediaRule);
	return first === undefined || (first < sector + bytes / SECTOR_SIZE && sector < first + count);
}

/** A rule in force. */
interface InForce {
	readonly rule: FaultRule;
}

export const isPowerCut = ({ rule: { model } }: InForce): boolean => model === "disk.power-cut";

/** Does the rule change data of a transfer? */
export const isSilent = ({ rule: { model } }: InForce): boolean =>
	model === "disk.corrupt" || model.endsWith("-write");

/** Does it make requests fail? */
export const isFailure = (inForce: InForce): boolean => !isSilent(inForce) && !isPowerCut(inForce);
