/** Experiments on several machines: here, several processes and a Redis server on loopback. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue, Worker } from "bullmq";
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

	it("results that are none, of whatever kind, are lost", async () => {
		const connection = new Redis(server.url, { maxRetriesPerRequest: null });
		for (const result of [5, "text", { counts: null }, { failed: 7 }]) {
			await connection.flushall();
			const bench = start("bench", experiment("malformed", '["1", "3"]'));
			const worker = new Worker("runs", async () => result, { connection, prefix: "uvmachine" });
			expect(await end(bench.child)).toBe(2);
			expect(bench.stderr).toMatch(/^uvmachine: point \d \(ram=\dM\): the result on .* damaged$/m);
			await worker.close();
		}
		await connection.flushall();
		const inject = start("inject", "swap-eio-nth", "--runs", "2", "--quiet");
		const none = async () => ({ evidence: { faults: {} } });
		const worker = new Worker("runs", none, { connection, prefix: "uvmachine" });
		// All runs are lost.
		expect(await end(inject.child)).toBe(3);
		await worker.close();
		connection.disconnect();
	});

	it("a worker says in one short line which job is not for it", async () => {
		const connection = new Redis(server.url, { maxRetriesPerRequest: null });
		const queue = new Queue("runs", { connection, prefix: "uvmachine" });
		for (const [name, data, line] of [
			["a\x1b[2Jb", {}, "a?[2Jb: no kind of work"],
			["campaign", null, "the campaign is of version nothing, and this is 0.1.0"],
			[
				"experiment",
				{ version: "1".repeat(9999) },
				`the experiment is of version ${"1".repeat(100)},`,
			],
		] as const) {
			await connection.flushall();
			await queue.add(name, data, { jobId: "other-1" });
			const worker = start("work", "--jobs", "1");
			expect(await end(worker.child)).toBe(2);
			const said = worker.stderr.split("\n");
			expect(said).toHaveLength(3);
			expect(said[1]!.slice(0, 17 + line.length)).toBe(`uvmachine: work: ${line}`);
		}
		await connection.flushall();
		await queue.close();
		connection.disconnect();
	});

	it("a server that takes nothing is one line", async () => {
		const client = new Redis(server.url);
		await client.config("SET", "maxmemory", "1");
		const bench = start("bench", experiment("refused", '["1", "4"]'));
		expect(await end(bench.child)).toBe(2);
		expect(bench.stderr).toMatch(/^uvmachine: --queue redis:\S+: OOM command not allowed.*\n$/);
		await client.config("SET", "maxmemory", "0");
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
		// What is meant as a password ends an address too early.
		...(
			[
				["redis://:a/b@host:1", "redis://:***@host:1"],
				["http://me:secret@host", "http://me:***@host"],
				["host?password=secret", "host?password=***"],
			] as const
		).map(
			([url, shown]) =>
				[
					["memory", "--queue", url],
					`--queue ${shown}: expected a Redis server, such as redis://127.0.0.1:6379`,
				] as const,
		),
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
