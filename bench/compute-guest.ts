/**
 * A process of its own that runs one guest for the benchmark of the engines. Its arguments are an
 * image of workloads/bare, the guest's command line, and the engine; "curve" as a fourth one asks
 * for the speed at some times, and the guest is not run to its end. Prints a `GuestProcess`.
 */
import { readFileSync } from "node:fs";
import { Bare } from "../computer/bare.ts";
import type { Engine } from "../index.ts";
import { Compiler } from "../machine/jit/compiler.ts";
import { CURVE_MS, type GuestProcess } from "./compute-process.ts";
import { WORKLOADS } from "./guests.ts";

/** Cycles between two looks at the clock. */
const SLICE = 20_000;

/** Adds up what the compiler takes, which is called from the thread that runs the guest. */
class CompileTime {
	ms = 0;
	#depth = 0;

	/** => calls of this method are timed, those inside of others once */
	watch(method: "compile" | "finish"): void {
		const original = Compiler.prototype[method] as (...args: unknown[]) => unknown;
		const time = this;
		const wrapper = function (this: Compiler, ...args: unknown[]): unknown {
			const started = performance.now();
			time.#depth++;
			try {
				return original.apply(this, args);
			} finally {
				if (--time.#depth === 0) time.ms += performance.now() - started;
			}
		};
		Object.defineProperty(Compiler.prototype, method, { value: wrapper });
	}
}

function curveOf(bare: Bare): number[] {
	const marks = CURVE_MS.flatMap((ms) => [ms / 2, (3 * ms) / 2]).sort((a, b) => a - b);
	const seen = new Map<number, readonly [number, number]>();
	const before = process.cpuUsage();
	for (const mark of marks) {
		let ms = 0;
		do {
			if (bare.run(bare.machine.clock.cycles + SLICE) === "ended") return [];
			const { user, system } = process.cpuUsage(before);
			ms = (user + system) / 1e3;
		} while (ms < mark);
		seen.set(mark, [ms, bare.machine.hart.counters.instret]);
	}
	return CURVE_MS.map((ms) => {
		const [[from, first], [to, last]] = [seen.get(ms / 2)!, seen.get((3 * ms) / 2)!];
		return (last - first) / (to - from) / 1e3;
	});
}

function main([program, bootargs, engine, what]: readonly string[]): GuestProcess {
	const time = new CompileTime();
	time.watch("compile");
	time.watch("finish");
	const image = readFileSync(`${WORKLOADS}bare/bin/${program}`);
	const bare = new Bare({ image, ram: 128 << 20, bootargs, engine: engine as Engine });
	const cpu = process.cpuUsage();
	const started = performance.now();
	const curve = what === "curve" ? curveOf(bare) : [];
	if (what !== "curve") bare.run();
	const wallMs = performance.now() - started;
	const { user, system } = process.cpuUsage(cpu);
	const { exit, machine } = bare;
	if (what !== "curve" && (exit.kind !== "exited" || exit.code !== 0)) {
		throw new Error(`bench: ${program} ${bootargs}: ${exit.kind}`);
	}
	return {
		console: bare.report(wallMs).console,
		instructions: machine.hart.counters.instret,
		...{ wallMs, cpuMs: (user + system) / 1e3, compileMs: time.ms, curve },
		compiled: machine.hart.jit?.counts ?? null,
	};
}

process.stdout.write(`${JSON.stringify(main(process.argv.slice(2)))}\n`);
