/** Experiments on several machines: here, several processes and a Redis server on loopback. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { exactReport, readReport } from "../../experiment/report.ts";
import { uvmachine } from "../support/cli.ts";
import { type Command, end, hasRedis, RedisServer, startCommand, until } from "../support/redis.ts";

if (!hasRedis) console.log("redis-server is not installed: queues are not tested");

const folder = mkdtempSync(join(tmpdir(), "uvm-points-"));
const path = (name: string): string => join(folder, name);

function experiment(name: string, args: string): string {
	const file = path(`${name}.json5`);
	writeFileSync(
		file,
		`{
			question: "What does memory cost?",
			workload: { boot: "walk", args: ${args}, ram: "$ram", swap: ["8M"] },
			parameters: { ram: ["1M", "2M", "4M"], },
			metrics: ["faults", "pageins"],
		}`,
	);
	return file;
}

/** All but the host's time. */
const exactOf = (file: string): object => exactReport(readReport(file, readFileSync(file, "utf8")));

describe.runIf(hasRedis)("an experiment in a queue", () => {
	const walk = experiment("walk", '["2", "1"]');
	const local = path("local.json");
	let server: RedisServer;
	beforeAll(async () => {
		server = await RedisServer.start();
		const alone = uvmachine(["bench", walk, "--jobs", "1", "--json", local]);
		expect([alone.status, alone.stderr]).toEqual([0, ""]);
	});
	const running: Command[] = [];
	const start = (...args: string[]): Command => {
		const command = startCommand([...args, "--queue", server.url]);
		running.push(command);
		return command;
	};
	afterEach(async () => {
		await Promise.all(running.splice(0).map(({ child }) => end(child, "SIGKILL")));
	});
	afterAll(() => server.kill());

	it("has the results of a local one, also beside a campaign", async () => {
		const json = path("queued.json");
		const bench = start("bench", walk, "--json", json);
		const campaign = start("inject", "swap-eio-nth", "--runs", "2", "--out", path("campaign"));
		const worker = start("work", "--jobs", "1");
		expect(await end(bench.child)).toBe(0);
		expect(await end(campaign.child)).toBe(0);
		expect(exactOf(json)).toEqual(exactOf(local));
		expect(await end(worker.child, "SIGINT")).toBe(130);
		const done = Number(/^(\d+) runs$/m.exec(worker.stderr)![1]);
		expect(done).toBeGreaterThanOrEqual(3);
	});

	it("goes on where it was when a worker is killed", async () => {
		const out = path("out");
		const first = start("work", "--jobs", "1");
		const bench = start("bench", experiment("longer", '["3", "2"]'), "--out", out);
		const results = join(out, "results.jsonl");
		await until(() => existsSync(results) && readFileSync(results, "utf8").includes("\n"));
		await end(first.child, "SIGKILL");
		start("work", "--jobs", "2");
		expect(await end(bench.child)).toBe(0);
	});

	it("ends with the point that fails, and says which", async () => {
		start("work", "--jobs", "1");
		const bench = start("bench", experiment("wrong", '["x"]'));
		expect(await end(bench.child)).toBe(2);
		expect(bench.stderr).toMatch(/^uvmachine: .*point 1 \(ram=1M\): exited with 2/m);
	});

	it("takes back the points that nobody waits for any more", async () => {
		const client = new Redis(server.url);
		const bench = start("bench", experiment("idle", '["1", "1"]'));
		const waiting = (): Promise<number> => client.llen("uvmachine:runs:wait");
		await until(async () => (await waiting()) === 3);
		expect(await end(bench.child, "SIGINT")).toBe(130);
		expect(await waiting()).toBe(0);
		client.disconnect();
	});

	it("a worker refuses points that are not what the key says", async () => {
		const client = new Redis(server.url);
		await client.flushall();
		start("bench", experiment("damaged", '["1", "2"]'));
		let key: string | undefined;
		await until(async () => {
			[key] = await client.keys("uvmachine:experiment:*");
			return key !== undefined && (await client.llen("uvmachine:runs:wait")) === 3;
		});
		await client.set(key!, Buffer.from("something else"));
		const worker = start("work", "--jobs", "1");
		expect(await end(worker.child)).toBe(2);
		expect(worker.stderr).toMatch(/experiment \w+: its data on the server is damaged$/m);
		client.disconnect();
	});
});

it("mistakes are one line", () => {
	const trace = path("trace.json5");
	writeFileSync(path("trace"), "R 1000\n");
	const text = "{ question: 'x', workload: { trace: './trace', frames: 10 }, metrics: ['faults'] }";
	writeFileSync(trace, text);
	for (const [args, line] of [
		[[trace, "--queue", "redis://a"], "--queue: the workers do not have the file of a trace"],
		[
			["memory", "--queue", "redis://:secret@127.0.0.1:1/"],
			"--queue redis://:***@127.0.0.1:1/: cannot be reached (ECONNREFUSED)",
		],
		[
			["memory", "--queue", "redis://a", "--jobs", "2"],
			"--jobs: with --queue, it is an option of uvmachine work",
		],
		[["paths", "--queue", "redis://a"], "bench: --csv, --html, --out, --queue: of an experiment"],
	] as const) {
		const { status, stderr } = uvmachine(["bench", ...args]);
		expect([status, stderr]).toEqual([2, `uvmachine: ${line}\n`]);
	}
});
