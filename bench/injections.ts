/** How many runs with a fault are made in an hour, and what each way to make them shorter saves. */
import { cpus } from "node:os";
import {
	checkCampaign,
	conductCampaign,
	poolExecutor,
	prepareCampaign,
	type Workload,
	withEngine,
} from "../index.ts";
import { type Measuring, workload } from "./guests.ts";

const MiB = 1024 * 1024;
/** Milliseconds after which a run is given up. */
const GIVEN_UP = 600_000;

export interface InjectionResult {
	/** What is done to make runs shorter. */
	readonly name: string;
	/** Instructions of the run without faults. */
	readonly instructions: number;
	readonly jobs: number;
	readonly points: number;
	/** Runs that were made for them. */
	readonly runs: number;
	readonly seconds: number;
	/** Points an hour, golden runs included. */
	readonly perHour: number;
}

/** A walk over twice as much memory as there is: ten million instructions, with paging. */
const walk = (rounds: number): Workload => ({
	kind: "boot",
	options: {
		program: "walk",
		image: workload("walk"),
		args: ["1", String(rounds)],
		ram: MiB / 2,
		framebuffer: null,
	},
	swap: [{ bytes: 8 * MiB }],
});

/** Registers, memory, page tables, TLB and writes to the swap disk, as many of each. */
const RULES: readonly object[] = [
	{ model: "cpu.register", when: { atInsn: "all" } },
	{ model: "memory.flip", when: { atInsn: "all" } },
	{
		model: "mmu.pte-flip",
		params: { va: [0x10000, 0x12000, 0x7fffe000], bit: { from: 0, to: 31 } },
		when: { atInsn: "all" },
	},
	{ model: "mmu.tlb-flip", params: { bit: { from: 0, to: 31 } }, when: { atInsn: "all" } },
	{ model: "disk.lost-write", params: { disk: "ld0" }, when: { hit: "all" } },
];

interface Way {
	readonly name: string;
	readonly points: number;
	readonly checkpoints: number;
	readonly earlyStop: boolean;
	readonly prune: boolean;
}

const WAYS: readonly Way[] = [
	{ name: "from the start", points: 60, checkpoints: 0, earlyStop: false, prune: false },
	{ name: "from checkpoints", points: 120, checkpoints: 32, earlyStop: false, prune: false },
	{ name: "and early stop", points: 400, checkpoints: 32, earlyStop: true, prune: false },
	{ name: "and pruning", points: 2000, checkpoints: 32, earlyStop: true, prune: true },
];

async function measure(way: Way, { smoke, engine }: Measuring): Promise<InjectionResult> {
	const { name, checkpoints, earlyStop, prune } = way;
	const campaign = checkCampaign({
		workload: { boot: "walk" },
		rules: RULES,
		sample: { runs: smoke ? RULES.length : way.points, stratify: true },
		...{ checkpoints, earlyStop, prune },
	});
	const started = performance.now();
	const prepared = prepareCampaign(campaign, withEngine(walk(smoke ? 1 : 2), engine));
	const jobs = smoke ? 1 : cpus().length;
	const executor = await poolExecutor({ ...prepared.runner, jobs, milliseconds: GIVEN_UP });
	try {
		const { tally } = await conductCampaign(prepared, executor);
		const seconds = (performance.now() - started) / 1000;
		return {
			name,
			instructions: prepared.golden.instructions,
			jobs,
			points: tally.runs,
			runs: prepared.runs.pruned?.runs ?? tally.rows,
			seconds,
			perHour: Math.round((tally.runs / seconds) * 3600),
		};
	} finally {
		await executor.close();
	}
}

export async function runInjections(how: Measuring): Promise<InjectionResult[]> {
	const results: InjectionResult[] = [];
	for (const way of WAYS) results.push(await measure(way, how));
	return results;
}
