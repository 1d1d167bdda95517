/**
 * The guest on the host's terminal: keys at once, the way out, the terminal as it was, and time as
 * it passes outside. A real terminal needs Python's pty module; without it those tests are skipped.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { EscapeKeys } from "../../cli/escape.ts";
import type { Keyboard } from "../../cli/host-terminal.ts";
import { driveInteractive } from "../../cli/interactive.ts";
import type { GivenUp } from "../../cli/interrupts.ts";
import { Saver } from "../../cli/saver.ts";
import { Bare } from "../../computer/bare.ts";
import { rebase, restoreSystem, saveSystem } from "../../computer/snapshot/system-snapshot.ts";
import { createSystem, type System } from "../../computer/system.ts";
import { MAIN } from "../support/cli.ts";
import { consoleGuest } from "../support/console-guest.ts";
import { call, EXIT, elf, SYS, text } from "../support/program.ts";
import { ROOT } from "../support/sources.ts";

const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

const CLOCK_NANOSLEEP = 407;

/** Prints a greeting, and echoes lines until the end of the input. */
const ECHO = `${call(SYS.write, 1, "=ready", 6)}
	again: ${call(SYS.read, 0, "=buffer", 64)}
	blt a0, zero, done
	beq a0, zero, done
	mv a2, a0
	${call(SYS.write, 1, "=buffer")}
	j again
	done: ${EXIT}
	ready: ${text("ready\n")}
	buffer: .word 0`;

/** Sleeps for some nanoseconds between two lines. */
const sleeper = (ns: number): string => `${call(SYS.write, 1, "=before", 7)}
	${call(CLOCK_NANOSLEEP, 1, 0, "=time", 0)}
	${call(SYS.write, 1, "=after", 6)}
	li a0, 0
	${EXIT}
	time: .word ${Math.floor(ns / 1e9)}
	.word 0
	.word ${ns % 1e9}
	.word 0
	before: ${text("before\n")}
	after: ${text("after\n")}`;

/** Computes forever. */
const BUSY = `${call(SYS.write, 1, "=ready", 6)}
	loop: j loop
	ready: ${text("ready\n")}`;

describe("keys", () => {
	const take = (keys: string) => {
		const keyboard = new EscapeKeys();
		const taken = [...keys].map((key) => keyboard.take(Uint8Array.of(key.charCodeAt(0))));
		return {
			bytes: String.fromCharCode(...taken.flatMap(({ bytes }) => [...bytes])),
			leave: taken.some(({ leave }) => leave),
			save: taken.some(({ save }) => save),
			help: taken.some(({ help }) => help),
		};
	};

	it.each([
		["abc\x03\r", "abc\x03\r", false, false, false],
		["a\x01xb", "ab", true, false, false],
		["a\x01X", "a", true, false, false],
		["a\x01hb", "ab", false, true, false],
		["\x01\x01", "\x01", false, false, false],
		["\x01\x01x", "\x01x", false, false, false],
		["\x01qx", "x", false, false, false],
		["a\x01sb", "ab", false, false, true],
	])("%j", (keys, bytes, leave, help, save) => {
		expect(take(keys)).toEqual({ bytes, leave, help, save });
	});

	it("keys after the escape in the same read are dropped", () => {
		const { bytes, leave } = new EscapeKeys().take(new TextEncoder().encode("a\x01xb"));
		expect([[...bytes], leave]).toEqual([[0x61], true]);
	});
});

/** A keyboard with a clock of its own: keys come when they are due. */
class FakeKeyboard implements Keyboard {
	left: GivenUp = null;
	ended = false;
	saves = false;
	ms = 0;
	leaveAt = Number.POSITIVE_INFINITY;
	readonly waits: number[] = [];
	#keys: { readonly at: number; readonly bytes: string }[];

	constructor(keys: { readonly at: number; readonly bytes: string }[]) {
		this.#keys = keys;
	}

	feed(take: (bytes: Uint8Array) => number): number {
		const [next] = this.#keys;
		if (next === undefined || next.at > this.ms) return 0;
		this.#keys.shift();
		return take(new TextEncoder().encode(next.bytes));
	}

	async turn(): Promise<void> {}

	async wait(ms: number): Promise<void> {
		this.waits.push(ms);
		if (this.waits.length > 1000) throw new Error("it does not really wait");
		const next = Math.min(this.#keys[0]?.at ?? Number.POSITIVE_INFINITY, this.leaveAt);
		if (ms === Number.POSITIVE_INFINITY && next === ms) throw new Error("it waits for ever");
		this.ms = Math.min(this.ms + ms, Math.max(this.ms, next));
		this.left = this.ms >= this.leaveAt ? "user" : null;
	}
}

async function drive(source: string, keyboard: FakeKeyboard): Promise<System> {
	const system = createSystem({ program: "test", image: elf(source), terminal: true });
	const screen = { flush: () => {}, say: () => {} };
	await driveInteractive(system, keyboard, screen, 1e12, () => keyboard.ms);
	return system;
}

describe("a snapshot", () => {
	it("is saved on request, and the path is printed", async () => {
		const path = join(dir, "snapshot");
		const system = createSystem({ program: "test", image: elf(ECHO), terminal: true });
		const saver = new Saver(
			system,
			{ rebase: () => rebase(system), save: () => saveSystem(system) },
			path,
			null,
		);
		const keyboard = new FakeKeyboard([{ at: 5, bytes: "one\r" }]);
		keyboard.leaveAt = 20;
		keyboard.saves = true;
		const said: string[] = [];
		const screen = { flush: () => {}, say: (line: string) => said.push(line) };
		await driveInteractive(system, keyboard, screen, 1e12, () => keyboard.ms, saver);
		saver.finish(true);
		expect(said).toEqual([expect.stringMatching(/^saved to .*snapshot at cycle \d+$/)]);
		const restored = restoreSystem(readFileSync(path));
		restored.run();
		restored.input(new TextEncoder().encode("two\r"));
		restored.run();
		expect(restored.report(0).console).toMatch(/^ready\r\ntwo\r\ntwo\r\n$/);
	});
});

describe("time", () => {
	it("the host waits as long as the guest sleeps", async () => {
		const keyboard = new FakeKeyboard([]);
		const system = await drive(sleeper(1_500_000_000), keyboard);
		expect(system.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(keyboard.ms).toBeGreaterThan(1499);
		expect(keyboard.ms).toBeLessThan(1501);
		expect(keyboard.waits.length).toBeLessThan(5);
	});

	it("a key in between does not make the sleep longer", async () => {
		const keyboard = new FakeKeyboard([
			{ at: 400, bytes: "x" },
			{ at: 900, bytes: "y" },
		]);
		const system = await drive(sleeper(1_500_000_000), keyboard);
		expect(system.report(0).console).toBe("before\r\nxyafter\r\n");
		expect(keyboard.ms).toBeGreaterThan(1499);
		expect(keyboard.ms).toBeLessThan(1501);
	});

	it("passes for the guest while it waits for a key", async () => {
		const keyboard = new FakeKeyboard([{ at: 60_000, bytes: "\x04" }]);
		const system = await drive(ECHO, keyboard);
		expect(system.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(system.machine.clock.cycles).toBeGreaterThan(60e9 - 1);
		expect(system.machine.clock.cycles).toBeLessThan(60.1e9);
	});

	it("short sleeps set no timer", async () => {
		const keyboard = new FakeKeyboard([]);
		await drive(sleeper(1_000_000), keyboard);
		expect(keyboard.waits).toEqual([]);
	});

	it("a bare guest with a fast tick gets keys, and the host sleeps most of the time", async () => {
		const keyboard = new FakeKeyboard([
			{ at: 50, bytes: "ab" },
			{ at: 900, bytes: "cq" },
		]);
		const bare = new Bare({ image: consoleGuest("tick"), ram: 1 << 20 });
		await driveInteractive(bare, keyboard, { flush() {}, say() {} }, 1e12, () => keyboard.ms);
		expect(bare.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(bare.report(0).console).toBe(">abc");
		// This clock stands still while the guest computes: all of the time was slept.
		expect(bare.machine.clock.cycles / 1e6).toBeGreaterThan(890);
		expect(bare.machine.clock.cycles / 1e6).toBeLessThan(910);
		expect(keyboard.waits.length).toBeLessThan(300);
	});

	it("keys interrupt a guest that computes", async () => {
		const keyboard = new FakeKeyboard([{ at: 0, bytes: "\x03" }]);
		const system = await drive(BUSY, keyboard);
		expect(system.exit).toMatchObject({ kind: "killed", signal: "SIGINT" });
	});

	it("the user may leave at any time", async () => {
		const keyboard = new FakeKeyboard([]);
		keyboard.leaveAt = 100;
		const system = await drive(sleeper(2_000_000_000), keyboard);
		expect(system.exit.kind).toBe("running");
		expect(keyboard.ms).toBe(100);
	});
});

interface PtyRun {
	readonly status: number;
	readonly output: string;
	/** The terminal was raw while the guest had it, and is as it was now. */
	readonly raw: boolean;
	readonly restored: boolean;
	readonly cpu: number;
	readonly seconds: number;
}

const hasPty =
	spawnSync("python3", ["-c", "import pty, os; os.waitstatus_to_exitcode"]).status === 0;
if (!hasPty) process.stderr.write("test/cli/terminal.test.ts: no Python 3.9: no real terminal\n");

describe.skipIf(!hasPty)("a real terminal", () => {
	function file(source: string): string {
		const path = join(dir, "program");
		writeFileSync(path, elf(source));
		return path;
	}

	function uvmachine(args: string[], steps: [string, string][]): Promise<PtyRun> {
		const argv = [process.execPath, MAIN, ...args];
		const child = spawn("python3", [`${ROOT}/test/support/on-terminal.py`], {
			stdio: ["pipe", "pipe", "inherit"],
		});
		child.stdin.end(JSON.stringify({ argv, steps }));
		let out = "";
		child.stdout.on("data", (data) => (out += data));
		return new Promise((resolve, reject) => {
			child.on("close", () =>
				out === "" ? reject(new Error("no result")) : resolve(JSON.parse(out)),
			);
		});
	}

	it("gives keys to the guest, which echoes and edits, and says nothing of its own", async () => {
		const run = await uvmachine(
			["boot", file(ECHO)],
			[
				["ready\r\r\n", "helxx\x7f\x7flo\r"],
				["hello\r\r\n", "\x04"],
			],
		);
		expect(run).toMatchObject({ status: 0, raw: true, restored: true });
		const shown = `ready\nhelxx${"\b \b".repeat(2)}lo\nhello\n`;
		expect(run.output.replaceAll("\r", "")).toBe(shown);
	});

	it("Ctrl-A X leaves, with code 0; Ctrl-A H helps", async () => {
		const run = await uvmachine(
			["boot", file(BUSY)],
			[
				["ready", "\x01h"],
				["leave uvmachine", "\x01x"],
			],
		);
		expect(run).toMatchObject({ status: 0, raw: true, restored: true });
	});

	it("a program that waits for keys uses no processor time", async () => {
		const run = await uvmachine(
			["boot", file(ECHO)],
			[
				["ready", "idle"],
				["", "\x01x"],
			],
		);
		expect(run.cpu).toBeLessThan(0.1);
	});

	it("gives keys to a bare guest with a fast tick", async () => {
		const path = join(dir, "tick");
		writeFileSync(path, consoleGuest("tick"));
		const run = await uvmachine(
			["run", path, "--ram", "1M"],
			[
				[">", "ab"],
				["ab", "q"],
			],
		);
		expect(run).toMatchObject({ status: 0, restored: true });
	});

	it("a second of sleep takes about one", async () => {
		const run = await uvmachine(["boot", file(sleeper(1_000_000_000))], []);
		expect(run).toMatchObject({ status: 0, restored: true });
		expect(run.output).toContain("after");
		expect(run.seconds).toBeGreaterThan(1);
	});

	it("shows the line at which a snapshot was saved, and goes on there", async () => {
		const path = join(dir, "prompt");
		const saved = await uvmachine(
			["boot", "sh", "--save", path],
			[
				["$ ", "echo first\r"],
				["first\r\r\n$ ", "echo ac\x1b[D\x01s"],
				["saved to", ""],
				["$ echo ac\b", "\x01x"],
			],
		);
		expect(saved).toMatchObject({ status: 0, restored: true });
		const again = await uvmachine(
			["boot", "--restore", path],
			[
				["$ echo ac\b", "b\r"],
				["abc\r\r\n$ ", "\x1b[A\x1b[A\r"],
				["first\r\r\n$ ", "\x04"],
			],
		);
		expect(again).toMatchObject({ status: 0, restored: true });
		expect(again.output.startsWith("$ echo ac")).toBe(true);
	});

	it("a signal ends uvmachine and restores the terminal", async () => {
		const run = await uvmachine(["boot", file(BUSY)], [["ready", "kill"]]);
		expect(run).toMatchObject({ status: 128 + 15, raw: true, restored: true });
	});

	it("^C ends a program that computes and never read the terminal, with a summary", async () => {
		const run = await uvmachine(["boot", file(BUSY)], [["ready", "\x03"]]);
		expect(run).toMatchObject({ status: 1, restored: true });
		expect(run.output).toMatch(/\nuvmachine: .*killed by SIGINT/);
		expect(run.output).toContain("virtual time");
	});
});
