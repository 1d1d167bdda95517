/**
 * Processes that run for long and always do something else: what the host keeps for them, and how
 * fast they are, must stay the same. They are looked at from outside, by what Linux tells of them.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { built } from "./guests.ts";

/** A round of the shell: twenty processes of a dozen programs. */
const ROUND = [
	"hello > /dev/null",
	"seq 40 | wc > /dev/null",
	"uname -a | cat > /dev/null",
	"fork 3 > /dev/null",
	"ls /bin | grep s | wc > /dev/null",
	"hexdump /bin/true | head -n 2 > /dev/null",
	"date > /dev/null",
	"env | cat > /dev/null",
	"(echo 1; echo 2) | calc > /dev/null",
	"free > /dev/null",
	"ps > /dev/null",
].join("; ");
const SCRIPT = `i=0; while true; do ${ROUND}; i=$((i + 1)); echo round $i; done`;
const MAIN = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const BOOT = [MAIN, "boot", "--ram", "8M", "--swap", "32M", "-q", "--", "sh", "-c", SCRIPT];

/** Samples of a run, without those of its warm-up: a fifth of it. */
const SAMPLES = 20;
const WARM_UP = SAMPLES / 5;
/** MiB by which memory may grow after the warm-up: the host collects garbage when it likes. */
export const GROWTH_MIB = 96;
/** Of the speed in the first half after the warm-up, at least this is left in the second half. */
export const SLOWEST = 0.75;
/** Ticks a second in /proc. */
const TICKS = 100;

export interface ChurnSample {
	readonly seconds: number;
	readonly residentMiB: number;
	/** Rounds in a second of the process, since the sample before. */
	readonly rounds: number;
}

export interface Churned {
	readonly samples: readonly ChurnSample[];
	readonly grownMiB: number;
	/** The speed of the second half in that of the first one. */
	readonly speed: number;
}

const median = (values: readonly number[]): number =>
	[...values].sort((a, b) => a - b)[values.length >> 1]!;

/** What the samples say, the warm-up left out. */
export function judge(samples: readonly ChurnSample[]): Churned {
	const warm = samples.slice(WARM_UP);
	const half = warm.length >> 1;
	const [first, second] = [warm.slice(0, half), warm.slice(half)];
	const rounds = (part: readonly ChurnSample[]): number =>
		part.reduce((sum, sample) => sum + sample.rounds, 0);
	const resident = (part: readonly ChurnSample[]): number => median(part.map((s) => s.residentMiB));
	return {
		samples,
		grownMiB: resident(second) - resident(first),
		speed: rounds(second) / rounds(first),
	};
}

export const isSteady = ({ grownMiB, speed }: Churned): boolean =>
	grownMiB <= GROWTH_MIB && speed >= SLOWEST;

/** Seconds of the processor, and MiB of memory. */
function look(pid: number): { readonly cpu: number; readonly residentMiB: number } {
	const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
	// The name before may hold blanks.
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	return {
		cpu: (Number(fields[11]) + Number(fields[12])) / TICKS,
		residentMiB: Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024,
	};
}

/** Run a program of Node that prints a line after each round. => throws if it ends by itself */
export async function churn(
	args: readonly string[],
	seconds: number,
	onSample: (sample: ChurnSample) => void = () => {},
): Promise<Churned> {
	const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
	let rounds = 0;
	child.stdout.on("data", (text: Buffer) => {
		rounds += text.toString().split("round ").length - 1;
	});
	const ended = new Promise<never>((_, reject) => {
		child.on("exit", (code) => reject(new Error(`churn: ${args.join(" ")} ends with ${code}`)));
	});
	ended.catch(() => {});
	const samples: ChurnSample[] = [];
	try {
		let before = { cpu: 0, rounds: 0 };
		for (let i = 1; i <= SAMPLES; i++) {
			const time = new Promise((resolve) => setTimeout(resolve, (seconds / SAMPLES) * 1000));
			await Promise.race([time, ended]);
			const { cpu, residentMiB } = look(child.pid!);
			const speed = (rounds - before.rounds) / Math.max(cpu - before.cpu, 1 / TICKS);
			const sample = { seconds: (i * seconds) / SAMPLES, residentMiB, rounds: speed };
			before = { cpu, rounds };
			samples.push(sample);
			onSample(sample);
		}
	} finally {
		child.removeAllListeners("exit");
		child.kill("SIGKILL");
	}
	return judge(samples);
}

export const CHURNS: readonly { readonly name: string; readonly args: readonly string[] }[] = [
	{ name: "fork and exec of different programs", args: BOOT },
	{ name: "code that is written and executed", args: [built("churn-code")] },
];

/** => is each steady? */
export async function runChurn(minutes: number, print: (line: string) => void): Promise<boolean> {
	let steady = true;
	for (const { name, args } of CHURNS) {
		print(name);
		print("  minutes  MiB resident  rounds a second");
		const churned = await churn(args, minutes * 60, ({ seconds, residentMiB, rounds }) => {
			const cells = [(seconds / 60).toFixed(1), residentMiB.toFixed(0), rounds.toFixed(2)];
			print(`  ${cells[0]!.padStart(7)}  ${cells[1]!.padStart(12)}  ${cells[2]!.padStart(15)}`);
		});
		const { grownMiB, speed } = churned;
		const verdict = isSteady(churned) ? "steady" : "NOT STEADY";
		print(`  ${verdict}: ${grownMiB.toFixed(0)} MiB more, speed ${speed.toFixed(2)} of before`);
		steady &&= isSteady(churned);
	}
	return steady;
}
