/** A Redis server on the loopback interface, and programs that use it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { MAIN } from "./cli.ts";
import { CHILD_LIMIT_MS } from "./limits.ts";
import { ROOT } from "./sources.ts";

const SERVER = "redis-server";
const LOOPBACK = "127.0.0.1";

export const hasRedis = spawnSync(SERVER, ["--version"]).status === 0;

/** A port that is free now. */
function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.on("error", reject);
		server.listen(0, LOOPBACK, () => {
			const { port } = server.address() as { port: number };
			server.close(() => resolve(port));
		});
	});
}

/** A server that keeps nothing on the disk: it forgets everything when it is killed. */
export class RedisServer {
	readonly url: string;
	readonly #port: number;
	#child: ChildProcess | null = null;

	private constructor(port: number) {
		this.#port = port;
		this.url = `redis://${LOOPBACK}:${port}`;
	}

	static async start(): Promise<RedisServer> {
		const server = new RedisServer(await freePort());
		await server.start();
		return server;
	}

	/** => when it takes connections */
	async start(): Promise<void> {
		const options = ["--port", `${this.#port}`, "--bind", LOOPBACK, "--save", ""];
		const child = spawn(SERVER, options, { stdio: ["ignore", "pipe", "ignore"] });
		this.#child = child;
		let said = "";
		child.stdout!.on("data", (text) => (said += text));
		while (!/Ready to accept connections/.test(said)) {
			if (child.exitCode !== null) throw new Error(`${SERVER}: ${said}`);
			await sleep(20);
		}
	}

	async kill(): Promise<void> {
		await end(this.#child!, "SIGKILL");
	}
}

/** => when the process is gone: its exit code, or null if the signal has ended it */
export function end(child: ChildProcess, signal?: NodeJS.Signals): Promise<number | null> {
	if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
	const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
	if (signal !== undefined) child.kill(signal);
	return ended;
}

export interface Command {
	readonly child: ChildProcess;
	stderr: string;
}

/** Start `uvmachine` beside the test. */
export function startCommand(args: readonly string[]): Command {
	const child = spawn(process.execPath, [MAIN, ...args], {
		cwd: ROOT,
		stdio: ["ignore", "ignore", "pipe"],
		timeout: CHILD_LIMIT_MS,
	});
	const command: Command = { child, stderr: "" };
	child.stderr!.on("data", (text) => (command.stderr += text));
	return command;
}

/** Look again and again until it holds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
	while (!(await holds())) await sleep(20);
}
