/** What a worker does with the server while a part is made, and which servers it takes. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { queueWorker } from "../../experiment/queue.ts";
import { readReport } from "../../experiment/report.ts";
import { uvmachine } from "../support/cli.ts";
import { end, hasRedis, RedisServer, startCommand, until } from "../support/redis.ts";

if (!hasRedis) console.log("redis-server is not installed: queues are not tested");

/** Milliseconds within which a program ends that is told to, on a busy machine. */
const END_MS = 30_000;

/** => of a point that takes a second or so, whose result is in `json` */
function slowExperiment(folder: string): string {
	const file = join(folder, "slow.json5");
	const workload = `{ boot: "walk", args: ["6", "60"], ram: "$ram", swap: ["8M"] }`;
	writeFileSync(
		file,
		`{ question: "?", workload: ${workload}, parameters: { ram: ["1M"] }, metrics: ["faults"] }`,
	);
	return file;
}

it.runIf(hasRedis)("a worker with one thread renews its locks while it measures", async () => {
	const folder = mkdtempSync(join(tmpdir(), "uvm-thread-"));
	const json = join(folder, "json");
	const server = await RedisServer.start();
	const worker = await queueWorker({ url: server.url, jobs: 1 });
	let last = performance.now();
	let longest = 0;
	const timer = setInterval(() => {
		const now = performance.now();
		longest = Math.max(longest, now - last);
		last = now;
	}, 5);
	const queued = ["--queue", server.url, "--json", json];
	const bench = startCommand(["bench", slowExperiment(folder), ...queued]);
	try {
		expect(await end(bench.child)).toBe(0);
		const [row] = readReport(json, readFileSync(json, "utf8")).results;
		expect(longest).toBeLessThan(row!.host!.hostMs / 2);
	} finally {
		clearInterval(timer);
		await end(bench.child, "SIGKILL");
		await worker.close();
		await server.kill();
	}
});

it.runIf(hasRedis)("a worker that is told to end does so while the server is away", async () => {
	const folder = mkdtempSync(join(tmpdir(), "uvm-away-"));
	const server = await RedisServer.start();
	const client = new Redis(server.url);
	client.on("error", () => {});
	const queued = ["--queue", server.url];
	const worker = startCommand(["work", "--jobs", "1", ...queued]);
	const bench = startCommand(["bench", slowExperiment(folder), ...queued]);
	try {
		await until(async () => (await client.llen("uvmachine:runs:active")) === 1);
		await server.kill();
		for (const { child, stderr } of [worker, bench]) {
			const code = await Promise.race([end(child, "SIGINT"), sleep(END_MS, "still there")]);
			expect([code, stderr.replace(/\n/g, "|")]).toEqual([
				130,
				expect.not.stringContaining("Error"),
			]);
		}
	} finally {
		client.disconnect();
		await Promise.all([worker, bench].map(({ child }) => end(child, "SIGKILL")));
	}
});

it.runIf(hasRedis)(
	"an address that no server can have, or without the database, is one line",
	async () => {
		const server = await RedisServer.start();
		const expected = "expected a Redis server, such as redis://127.0.0.1:6379";
		for (const [url, why] of [
			["redis://:%zz@127.0.0.1:1", expected],
			[`${server.url}/first`, expected],
			[`${server.url}/99`, "cannot be reached (ERR DB index is out of range)"],
		] as const) {
			const { status, stderr } = uvmachine(["work", "--queue", url]);
			expect(status).toBe(2);
			expect(stderr).toMatch(/^uvmachine: --queue [^\n]*\n$/);
			expect(stderr).toContain(`: ${why}\n`);
		}
		await server.kill();
	},
);
