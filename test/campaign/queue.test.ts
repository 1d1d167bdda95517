/** Campaigns on several machines: here, several processes and a Redis server on loopback. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { uvmachine } from "../support/cli.ts";
import { type Command, end, hasRedis, RedisServer, startCommand, until } from "../support/redis.ts";

if (!hasRedis) console.log("redis-server is not installed: queues are not tested");

const folder = mkdtempSync(join(tmpdir(), "uvm-queue-"));
const path = (name: string): string => join(folder, name);
const campaign = path("campaign.json5");
writeFileSync(
	campaign,
	`{
		name: "queued",
		workload: { boot: "walk", args: ["1", "1"], ram: "1M", swap: ["4M"] },
		rules: [
			{ model: "cpu.register", when: { atInsn: { from: 0, to: 600000, step: 25000 } } },
			{ model: "mmu.lost-fence", when: { hit: [10, 20, 30] } },
		],
	}`,
);
const FILES = ["campaign.json", "golden.json", "results.jsonl"];
const filesOf = (out: string): string[] =>
	FILES.map((name) => readFileSync(join(out, name), "utf8"));
const rowsIn = (out: string): number => {
	const file = join(out, "results.jsonl");
	return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
};

describe.runIf(hasRedis)("a campaign in a queue", () => {
	let server: RedisServer;
	const local = path("local");
	beforeAll(async () => {
		server = await RedisServer.start();
		const alone = uvmachine(["inject", campaign, "--out", local, "--jobs", "1"]);
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

	it("has the results of a local one, once, however often it was put there", async () => {
		const outs = [path("one"), path("two")];
		const worker = start("work", "--jobs", "1");
		const injects = outs.map((out) => start("inject", campaign, "--out", out));
		for (const { child } of injects) expect(await end(child)).toBe(0);
		for (const out of outs) expect(filesOf(out)).toEqual(filesOf(local));
		expect(await end(worker.child, "SIGINT")).toBe(130);
		const done = Number(/^(\d+) runs$/m.exec(worker.stderr)![1]);
		expect(done).toBeGreaterThanOrEqual(rowsIn(local));
	});

	it("loses nothing when the server is killed with all it knew, and then a worker", async () => {
		const out = path("killed");
		const first = start("work", "--jobs", "1");
		const inject = start("inject", campaign, "--out", out);
		await until(() => rowsIn(out) >= 2);
		await server.kill();
		expect(rowsIn(out)).toBeLessThan(10);
		await server.start();
		await until(() => rowsIn(out) >= 12);
		// Its run is given to another one when its lock has expired.
		await end(first.child, "SIGKILL");
		expect(rowsIn(out)).toBeLessThan(rowsIn(local));
		start("work", "--jobs", "1");
		expect(await end(inject.child)).toBe(0);
		expect(filesOf(out)).toEqual(filesOf(local));
	});

	it("a worker gives back what another version or build has made, and says so", async () => {
		const client = new Redis(server.url, { maxRetriesPerRequest: null });
		const queue = new Queue("runs", { connection: client, prefix: "uvmachine" });
		for (const [data, line] of [
			[{ version: "0.0.9" }, "work: the campaign is of version 0.0.9, and this is 0.1.0"],
			[{ version: "0.1.0", code: "" }, "work: the campaign is of another build of version 0.1.0"],
		] as const) {
			await queue.add("campaign", data, { jobId: "other-1" });
			const worker = start("work", "--jobs", "1");
			expect(await end(worker.child)).toBe(2);
			expect(worker.stderr).toBe(`waiting for runs, 1 at a time\nuvmachine: ${line}\n`);
			expect(await queue.getJobState("other-1")).toBe("delayed");
			await queue.remove("other-1");
		}
		await queue.close();
		client.disconnect();
	});

	it("a worker refuses a campaign whose configuration has another hash", async () => {
		const client = new Redis(server.url);
		const inject = start("inject", campaign, "--out", path("damaged"));
		let key: string | undefined;
		await until(async () => {
			[key] = await client.keys("uvmachine:campaign:*");
			return key !== undefined && (await client.exists("uvmachine:runs:wait")) === 1;
		});
		// That of another campaign.
		const other = path("other.json5");
		const text = readFileSync(campaign, "utf8").replace("ram:", "seed: 7, ram:");
		writeFileSync(other, text);
		await client.flushall();
		const second = start("inject", other, "--out", path("other"));
		await until(async () => {
			const keys = await client.keys("uvmachine:campaign:*");
			return keys.length === 2;
		});
		const keys = await client.keys("uvmachine:campaign:*");
		const [mine, its] = await Promise.all(keys.map((name) => client.getBuffer(name)));
		await client.set(keys[0]!, its!);
		await client.set(keys[1]!, mine!);
		const worker = start("work", "--jobs", "1");
		expect(await end(worker.child)).toBe(2);
		expect(worker.stderr).toMatch(/campaign \w+: its configuration has another hash here$/m);
		for (const { child } of [inject, second]) expect(await end(child, "SIGINT")).toBe(130);
		// What nobody waits for is taken back.
		expect(await client.exists("uvmachine:runs:wait")).toBe(0);
		client.disconnect();
	});
});

it("mistakes are one line", () => {
	const unreachable = ["--queue", "redis://:secret@127.0.0.1:1/"];
	for (const [args, line] of [
		[["work"], "required option '--queue <url>' not specified"],
		[
			["work", ...unreachable],
			"--queue redis://:***@127.0.0.1:1/: cannot be reached (ECONNREFUSED)",
		],
		[
			["inject", campaign, ...unreachable],
			"--queue redis://:***@127.0.0.1:1/: cannot be reached (ECONNREFUSED)",
		],
		[
			["work", "--queue", "nonsense"],
			"--queue nonsense: expected a Redis server, such as redis://127.0.0.1:6379",
		],
		[
			["inject", campaign, "--queue", "redis://a", "--jobs", "2"],
			"--jobs: with --queue, it is an option of uvmachine work",
		],
	] as const) {
		const { status, stderr } = uvmachine(args);
		expect([status, stderr]).toEqual([2, `uvmachine: ${line}\n`]);
	}
});
