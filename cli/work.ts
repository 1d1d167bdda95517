/** `uvmachine work`: make what others have put into a queue, runs of campaigns and points. */
import { cpus } from "node:os";
import type { Command } from "commander";
import { queueWorker } from "../index.ts";
import { jobsOption } from "./inject-options.ts";
import { Interrupts, signalExitCode } from "./interrupts.ts";

interface WorkFlags {
	readonly queue: string;
	readonly jobs?: number;
	readonly quiet: boolean;
}

const HELP = `
Examples:
  uvmachine work --queue redis://10.0.0.5:6379     on as many machines as there are
  uvmachine inject swap-eio-nth --queue redis://10.0.0.5:6379 --out results
  uvmachine bench anon-past-ram --queue redis://10.0.0.5:6379`;

/** Milliseconds of the host between two updates of the progress. */
const INTERVAL = 1000;

export function defineWork(command: Command, done: (exitCode: number) => void): void {
	command
		.requiredOption("--queue <url>", "the Redis server of the queue, such as redis://host:6379")
		.option("--jobs <n>", "runs at the same time (default: one for each processor)", jobsOption)
		.option("-q, --quiet", "no progress", false)
		.addHelpText("after", HELP)
		.action(async (flags: WorkFlags) => done(await work(flags)));
}

async function work({ queue: url, jobs = cpus().length, quiet }: WorkFlags): Promise<number> {
	const say = (text: string): void => {
		if (!quiet) process.stderr.write(text);
	};
	const worker = await queueWorker({ url, jobs });
	say(`waiting for runs, ${jobs} at a time\n`);
	const interrupts = new Interrupts();
	const { stderr } = process;
	const update = async (): Promise<void> => {
		const progress = await worker.progress();
		const whole = progress && ` | ${progress.name}: ${progress.done}/${progress.total}`;
		say(`\r\x1b[K${worker.done} runs here${whole ?? ""}`);
	};
	// One at a time: without the server each waits.
	let busy = false;
	const tick = async (): Promise<void> => {
		if (busy) return;
		busy = true;
		await update().finally(() => (busy = false));
	};
	const timer = stderr.isTTY && !quiet ? setInterval(() => void tick(), INTERVAL) : null;
	try {
		await Promise.race([interrupts.raised, worker.refused]);
	} finally {
		if (timer !== null) {
			clearInterval(timer);
			say("\r\x1b[K");
		}
		interrupts.close();
		await worker.close();
	}
	say(`${worker.done} runs\n`);
	return signalExitCode(interrupts.signal!);
}
