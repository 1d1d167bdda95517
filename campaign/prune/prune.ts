/**
 * Def/use pruning: of the points of a sample, those are run whose outcome is not known from the
 * golden run already, and of those that cannot differ only one.
 *
 * A wrong bit does nothing before something reads it. If it is overwritten first, the run is the
 * golden run, and if it is neither read nor overwritten, only the final state differs. All faults
 * of a place between two accesses to it are the same fault for whoever reads it next. This is known
 * for registers, RAM with its page tables, TLB entries, and sectors that are written; everything
 * else is run. The oracles that look at memory from outside, `shadow` and `check`, read it as well,
 * so with them only registers are pruned.
 */

import { flippedRegister } from "../../devices/fault/cpu-rule.ts";
import { directionOf, type MediaRule } from "../../devices/fault/disk-rule.ts";
import { drawBelow } from "../../devices/fault/draw.ts";
import type { Choose } from "../../devices/fault/fault-host.ts";
import type { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import type { MachineRule } from "../../devices/fault/machine-rule.ts";
import { flippedBits } from "../../devices/fault/memory-places.ts";
import { flipPte, flipTlb } from "../../devices/fault/mmu-flips.ts";
import type { FaultRule } from "../../devices/fault/rule.ts";
import { UserError } from "../../machine/user-error.ts";
import { phaseAt } from "../report/tally.ts";
import { hasInstant } from "../run/activation.ts";
import type { GoldenFacts } from "../run/golden.ts";
import { Guest } from "../run/guest.ts";
import type { Workload } from "../run/workload.ts";
import type { RunList } from "../sampling.ts";
import { WatchedDisk } from "./disk-watch.ts";
import { Fates, type Group, type Pending } from "./fates.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { Recorder } from "./recorder.ts";
import { RegisterWatch } from "./register-watch.ts";
import { isOfPlace, TlbWatch } from "./tlb-watch.ts";

/** Points that are kept in memory at the same time. */
const POINTS_MAX = 2_000_000;

/** Models whose writes may go wrong, and nobody says so. */
const WRITE_MODELS: ReadonlySet<string> = new Set([
	"disk.corrupt",
	"disk.lost-write",
	"disk.torn-write",
	"disk.misdirected-write",
]);

/** Models that change bits at an instant where others may read them. */
const MEMORY_MODELS: ReadonlySet<string> = new Set(["memory.flip", "mmu.pte-flip", "mmu.tlb-flip"]);

const onlyHas = (rule: FaultRule, ...conditions: string[]): boolean =>
	["life", "budget", "state", "nextState"].every((name) => !(name in rule)) &&
	Object.keys(rule.when ?? {}).join() === conditions.join();

/** => the same points, by fewer runs. UserError if there are too many to be kept. */
export function pruneRuns(runs: RunList, workload: Workload, golden: GoldenFacts): RunList {
	if (runs.length > POINTS_MAX) {
		throw new UserError(
			`campaign: prune: ${runs.length} points; of more than ${POINTS_MAX} take a sample`,
		);
	}
	const groups = new WatchedRun(runs, workload, golden).groups();
	const known = groups.filter((group) => group.known !== null);
	return {
		length: groups.length,
		population: runs.population,
		at: (run) => {
			const { first, points, known: what, phase } = groups[run]!;
			return { ...runs.at(first), run, points, known: what && { what, phase } };
		},
		pruned: {
			points: runs.length,
			known: known.reduce((sum, { points }) => sum + points, 0),
			runs: groups.length - known.length,
		},
	};
}

/** The golden run once more, with everything that watches. */
class WatchedRun {
	readonly #runs: RunList;
	readonly #golden: GoldenFacts;
	readonly #guest: Guest;
	readonly #fates = new Fates();
	readonly #registers = new RegisterWatch(this.#fates);
	readonly #memory: MemoryWatch;
	readonly #tlb: TlbWatch;
	/** Is memory looked at from outside as well? */
	readonly #hasOracles: boolean;
	/** Points of instants, and of writes to disks. */
	readonly #instants: number[] = [];
	readonly #writes: number[] = [];

	constructor(runs: RunList, workload: Workload, golden: GoldenFacts) {
		this.#runs = runs;
		this.#golden = golden;
		const { kind, options } = workload;
		this.#hasOracles = kind === "boot" && (options.shadow === true || options.check === true);
		this.#guest = new Guest(workload, (bytes, image) => new WatchedDisk(bytes, image));
		const { machine } = this.#guest.computer;
		this.#memory = new MemoryWatch(machine, this.#fates);
		this.#tlb = new TlbWatch(machine, this.#fates);
		for (let point = 0; point < runs.length; point++) {
			const { plan } = runs.at(point);
			const [rule, second] = plan.rules;
			if (second !== undefined || !this.#isPrunable(rule!)) this.#fates.unknown(point);
			else if (hasInstant(rule!)) this.#instants.push(point);
			else this.#writes.push(point);
		}
	}

	groups(): Group[] {
		const { machine, board } = this.#guest.computer;
		const times = new Map(
			this.#instants.map((point) => [point, this.#ruleOf(point).when!.atInsn!]),
		);
		const order = this.#instants.sort((a, b) => times.get(a)! - times.get(b)!);
		const disks = board.disks
			.map(({ media }) => (media as FaultyDisk).pristine)
			.filter((medium) => medium instanceof WatchedDisk);
		for (const disk of disks) disk.now = () => machine.hart.counters.instret;
		new Recorder(machine, this.#registers, {
			length: order.length,
			at: (i) => times.get(order[i]!)!,
			make: (i) => this.#make(order[i]!),
		});
		const state = this.#guest.run(Number.POSITIVE_INFINITY);
		machine.hart.faults = null;
		machine.memory.cells = null;
		machine.hart.tlb.watcher = null;
		for (const disk of disks) disk.now = null;
		if (state !== "ended" || this.#guest.computer.stateHash() !== this.#golden.stateHash) {
			throw new Error("the watched run is not the run without faults");
		}
		// A run that ends before the instant shows that the rule does not act.
		for (const point of order.slice(this.#made)) this.#fates.unknown(point);
		for (const watch of [this.#registers, this.#memory, this.#tlb]) watch.end();
		for (const point of this.#writes) this.#decideWrite(point);
		return this.#fates.groups();
	}

	#made = 0;

	#ruleOf(point: number): FaultRule {
		return this.#runs.at(point).plan.rules[0]!;
	}

	#isPrunable(rule: FaultRule): boolean {
		if (rule.model === "cpu.register") return onlyHas(rule, "atInsn");
		if (this.#hasOracles) return false;
		if (MEMORY_MODELS.has(rule.model)) return onlyHas(rule, "atInsn");
		if (!WRITE_MODELS.has(rule.model) || !onlyHas(rule, "hit")) return false;
		const { report } = rule.params as { report?: string };
		return directionOf(rule as MediaRule) === "write" && report !== "error";
	}

	/** The instant of a point has come. */
	#make(point: number): void {
		this.#made++;
		const { templates, plan } = this.#runs.at(point);
		const rule = plan.rules[0] as FaultRule as MachineRule;
		const { machine } = this.#guest.computer;
		const choose: Choose = (field, n) => drawBelow(plan.seed, rule.id, 0, field, n);
		const pending: Pending = {
			point,
			template: templates[0]!,
			phase: this.#phaseAt(rule.when!.atInsn!),
		};
		if (rule.model === "cpu.register") {
			const { register, mask } = flippedRegister(rule.params, choose);
			this.#registers.open(register, mask, pending);
		} else if (rule.model === "memory.flip") {
			const { pa, mask } = flippedBits(rule.params, machine.memory.ramSize, choose);
			this.#memory.open(pa, mask, pending);
		} else if (rule.model === "mmu.pte-flip") {
			const { params } = rule;
			const flip = this.#memory.blindly(() => flipPte(machine, params, choose));
			if (flip === null) this.#fates.unknown(point);
			else this.#memory.open(flip.at, flip.mask, pending);
		} else if (rule.model === "mmu.tlb-flip") {
			const flip = flipTlb(machine, rule.params, choose);
			if (flip === null || isOfPlace(flip.mask)) this.#fates.unknown(point);
			else this.#tlb.open(flip.at, flip.mask, pending);
		}
	}

	#decideWrite(point: number): void {
		const { templates, plan } = this.#runs.at(point);
		const rule = plan.rules[0] as FaultRule as MediaRule;
		const disk = this.#guest.computer.board.disks.find(({ id }) => id === rule.params.disk);
		const medium = (disk?.media as FaultyDisk | undefined)?.pristine;
		const fate = medium instanceof WatchedDisk ? medium.fateOf(rule, rule.when!.hit!) : null;
		if (fate === null) this.#fates.unknown(point);
		else this.#fates.known(point, templates[0]!, fate.known, this.#phaseAt(fate.at));
	}

	#phaseAt(instructions: number): number {
		return phaseAt(instructions, this.#golden);
	}
}
