/** `uvmachine bench trace`: a trace of references to memory, and what paging for it costs. */
import { createReadStream, existsSync, type ReadStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { SingleBar } from "cli-progress";
import { Command, Option } from "commander";
import {
	ADVICE,
	DEFAULT_RAM,
	type DiskOptions,
	type PagingPolicy,
	REPLAY_SWAP,
	Replay,
	type ReplayResult,
	readTrace,
	VERSION,
} from "../index.ts";
import {
	choiceOption,
	integerOption,
	policyOption,
	sizedOption,
	sysctlOption,
	tlbOption,
} from "./options.ts";
import { OutputFile } from "./output-file.ts";
import { sizeText } from "./size.ts";
import { swapOption } from "./swap-option.ts";
import { UsageError } from "./usage-error.ts";

interface TraceFlags {
	readonly ram: number;
	readonly frames?: number;
	readonly swap: readonly DiskOptions[];
	readonly tlb?: { readonly entries: number; readonly ways: number };
	readonly ad: "hardware" | "trap";
	readonly advice: keyof typeof ADVICE;
	readonly policy: PagingPolicy;
	readonly sysctl: Readonly<Record<string, number>>;
	readonly optimum: boolean;
	readonly json?: string;
}

const HELP = `
A line is "L 1ffe8,8" or "R 1ffe8" (a load), "S" or "W" (a store), "M" (both) or "I" (a fetch), with
a hexadecimal address. Files may be compressed (gzip, brotli). docs/experiments.md has more.

Examples:
  valgrind --tool=lackey --trace-mem=yes ls 2> ls.lackey
  uvmachine bench trace ls.lackey --ram 1M
  zcat ls.lackey.gz | uvmachine bench trace - --frames 200 --swap 64M,hdd`;

export function traceCommand(done: (exitCode: number) => void): Command {
	const command = new Command("trace")
		.description("page for the references of a trace, beside LRU and the optimum")
		.argument("<file>", "the trace: text, as of Valgrind's lackey, or bytes; - for stdin")
		.addOption(sizedOption("--ram <size>", "RAM", DEFAULT_RAM))
		.addOption(
			new Option("--frames <n>", "RAM that leaves so many page frames to the references")
				.argParser(integerOption)
				.conflicts("ram"),
		)
		.addOption(
			new Option("--swap <size[,timing]>", "a swap disk; may be repeated")
				.argParser(swapOption)
				.default([], sizeText(REPLAY_SWAP)),
		)
		.option("--tlb <entries[,ways]>", "shape of the TLB (default: 1024,4)", tlbOption)
		.option("--ad <policy>", "who sets A and D bits: hardware or trap", policyOption, "hardware")
		.addOption(
			new Option("--advice <advice>", "how many neighbours a fault looks at")
				.choices(Object.keys(ADVICE))
				.default("normal"),
		)
		.addOption(
			new Option("--policy <name=value>", "what paging does otherwise; may be repeated")
				.argParser(choiceOption)
				.default({}, "NetBSD's"),
		)
		.addOption(
			new Option("--sysctl <name=n>", "a tunable of the kernel; may be repeated")
				.argParser(sysctlOption)
				.default({}, "NetBSD's"),
		)
		.option("--no-optimum", "without the optimum, which takes memory: 4 bytes a reference")
		.option("--json <file>", "write the results as JSON; - for stdout instead of the table")
		.addHelpText("after", HELP);
	return command.action(async (file: string, flags: TraceFlags) => {
		done(await trace(file, flags));
	});
}

function replayOf({ swap, tlb, ad, ...flags }: TraceFlags): Replay {
	return new Replay({
		...(flags.frames === undefined ? { ram: flags.ram } : { frames: flags.frames }),
		...(swap.length === 0 ? {} : { swap }),
		...{ tlbEntries: tlb?.entries, tlbWays: tlb?.ways, adPolicy: ad },
		...(Object.keys(flags.policy).length === 0 ? {} : { policy: flags.policy }),
		...{ advice: flags.advice, sysctl: flags.sysctl, optimum: flags.optimum },
	});
}

/** A bar for what of a file was read, if somebody looks on. */
function barOf(stream: Readable, bytes: number): { readonly move: () => void; stop(): void } {
	if (!process.stderr.isTTY || bytes === 0) return { move: () => {}, stop: () => {} };
	const bar = new SingleBar({ format: "{bar} {percentage}% | ETA {eta_formatted}" });
	bar.start(bytes, 0);
	const read = (): number => (stream as ReadStream).bytesRead;
	return { move: () => bar.update(read()), stop: () => bar.stop() };
}

async function trace(file: string, flags: TraceFlags): Promise<number> {
	if (file !== "-" && !existsSync(file)) throw new UsageError(`trace ${file}: no such file`);
	const json = OutputFile.open(flags.json, process.stdout);
	const replay = replayOf(flags);
	const name = file === "-" ? "standard input" : file;
	const stream = file === "-" ? process.stdin : createReadStream(file, { highWaterMark: 1 << 20 });
	const bar = barOf(stream, file === "-" ? 0 : statSync(file).size);
	const started = performance.now();
	try {
		await readTrace(
			name,
			(batch) => {
				replay.refer(batch);
				bar.move();
			},
			stream,
		);
	} finally {
		bar.stop();
	}
	const hostMs = performance.now() - started;
	if (replay.references === 0) throw new UsageError(`trace ${name}: has no references`);
	const result = replay.result();
	if (flags.json !== "-") process.stdout.write(tableOf(name, result, hostMs));
	const report = { version: VERSION, trace: name, ...result, hostMs };
	json?.write(`${JSON.stringify(report, null, "\t")}\n`);
	return 0;
}

const number = (value: number, digits = 0): string =>
	value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function tableOf(name: string, result: ReplayResult, hostMs: number): string {
	const { references, distinct, frames, counts, misses } = result;
	const least = misses.optimum;
	const rows = [
		["uvmachine", misses.system],
		["LRU", misses.lru],
		...(least === null ? [] : [["optimum", least]]),
	].map(([of, n]) => [
		String(of),
		number(Number(n)),
		number(Number(n) - distinct),
		least === null ? "" : number(Number(n) / least, 3),
	]);
	const head = ["", "misses", "page-ins", least === null ? "" : "of the optimum"];
	const table = [head, ...rows].map(
		([of, ...cells]) =>
			`${of!.padEnd(10)}${cells.map((text, i) => text.padStart([12, 12, 17][i]!)).join("")}`,
	);
	const lines = [
		["faults", number(counts.faults!)],
		["pages in", `${number(counts.pgswapin!)} by ${number(counts.reads!)} requests`],
		["pages out", `${number(counts.pgswapout!)} by ${number(counts.writes!)} requests`],
		["TLB misses", number(counts.tlbMisses!)],
		["virtual ms", number(counts.virtualMs!, 3)],
		["host ms", `${number(hostMs)}, ${number(references / hostMs / 1000, 2)} million a second`],
	].map(([what, text]) => `${what!.padEnd(12)}${text}`);
	const title =
		`${name}: ${number(references)} references to ${number(distinct)} pages, ` +
		`${number(frames)} frames`;
	return `${[title, "", ...table.map((line) => line.trimEnd()), "", ...lines].join("\n")}\n`;
}
