/** Wrong arguments and files, the end of a run, and what is left behind, as users meet them. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
	existsSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAIN, uvmachine } from "../support/cli.ts";
import { tar } from "../support/tar.ts";

let directory: string;
const file = (name: string): string => join(directory, name);

beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "command-line-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A failed command: its exit code, and its one line. */
const failure = (...args: string[]): [number | null, string] => {
	const { status, stderr } = uvmachine(args);
	expect(stderr.trimEnd().split("\n")).toHaveLength(1);
	return [status, stderr.trimEnd()];
};

/** What boot prints on stderr if a shell starts it with `redirection`. */
const stderrWith = (redirection: string, ...options: string[]): string => {
	const command = [process.execPath, MAIN, "boot", ...options, "hello"].join(" ");
	return spawnSync("sh", ["-c", `${command} ${redirection}`], { encoding: "utf8" }).stderr;
};

it("says that the output is lost if standard output is closed", () => {
	const line = "uvmachine: standard output is closed: 21 bytes are lost";
	expect(stderrWith(">&-")).toContain(line);
	expect(stderrWith(">/dev/null")).not.toContain("lost");
	expect(stderrWith("| cat >/dev/null")).not.toContain("lost");
	expect(stderrWith(">&-", "-q")).toBe("");
});

describe("a wrong argument", () => {
	it.each([
		["..", "uvmachine: program ..: not a file"],
		[".", "uvmachine: program .: not a file"],
		["", "uvmachine: program : no such workload or file"],
		["sotr", "uvmachine: program sotr: no such workload or file; did you mean sort?"],
	])("boot %j", (program, line) => {
		expect(failure("boot", program)).toEqual([2, expect.stringContaining(line)]);
	});

	it("an option of the program that is not behind --", () => {
		const line = "uvmachine: unknown option '-c'; options of the program come after --";
		expect(failure("boot", "sh", "-c", "echo hi")).toEqual([2, line]);
		expect(uvmachine(["boot", "-q", "sh", "--", "-c", "echo hi"]).stdout).toBe("hi\n");
	});

	it("a root archive that is damaged, with and without -q", () => {
		const archive = tar([
			{ path: "etc/motd", data: "x" },
			{ path: "y", data: "z", badsum: true },
		]);
		writeFileSync(file("bad.tar"), archive);
		const line = `uvmachine: disk ${file("bad.tar")}: sector 2: bad checksum`;
		expect(failure("boot", "ls", "--disk", file("bad.tar"))).toEqual([2, line]);
		expect(failure("boot", "-q", "ls", "--disk", file("bad.tar"))).toEqual([2, line]);
	});

	it("a date that there is not", () => {
		expect(failure("boot", "date", "--rtc", "2026-02-30")[0]).toBe(2);
	});
});

it("files keep what they hold when the command fails", () => {
	for (const option of ["--json", "--trace", "--trace-instructions", "--uvmhist", "--screenshot"]) {
		writeFileSync(file("old"), "old");
		expect(failure("boot", "nonesuch", option, file("old"))[0]).toBe(2);
		expect(readFileSync(file("old"), "utf8")).toBe("old");
	}
});

it("a report that cannot be written is all that is said", () => {
	const line = "uvmachine: /dev/full: cannot be written (ENOSPC)";
	expect(failure("boot", "hello", "--json", "/dev/full")).toEqual([2, line]);
});

it("help shows sizes as users write them, the workloads, and no switch that is off", () => {
	const { stdout } = uvmachine(["boot", "--help"]);
	expect(stdout).toMatch(/--ram .*\(default: 8M\)/);
	expect(stdout).toMatch(/Workloads: .* sort /);
	expect(stdout).toContain("Examples:");
	expect(stdout).not.toContain("default: false");
});

describe("the end of a run", () => {
	it("is at the cycle of --max-cycles, also while everything sleeps", () => {
		for (const [limit, ...program] of [
			[30_000_001, "sleep", "1"],
			[900_000_007, "sleep", "1"],
			[24_999_999, "matmul"],
		] as const) {
			const args = ["boot", "-q", ...program, "--max-cycles", `${limit}`, "--json", "-"];
			const { status, stdout } = uvmachine(args);
			const { cycles } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
			expect([status, cycles]).toEqual([4, limit]);
		}
	});

	it("comes after --save-at, however near", () => {
		const at = ["--save-at", "60000000", "--save", file("x.snap")];
		const args = ["boot", "-q", "walk", "8", "1", "--ram", "2M", "--swap", "32M"];
		expect(uvmachine([...args, ...at, "--max-cycles", "60000001"]).status).toBe(4);
		expect(uvmachine(["boot", "-q", "--restore", file("x.snap")]).status).toBe(0);
	});

	it("passes on the guest's own code, if that is wanted", () => {
		const code = (...args: string[]): number | null =>
			uvmachine(["boot", "-q", "--guest-exit-code", "sh", "--", "-c", args.join(" ")]).status;
		expect([code("exit 7"), code("exit 0")]).toEqual([7, 0]);
		expect(uvmachine(["boot", "-q", "wild", "null", "--guest-exit-code"]).status).toBe(128 + 11);
		expect(uvmachine(["boot", "-q", "wild", "null"]).status).toBe(1);
	});

	it("leaves figures out that say nothing", () => {
		const { stderr } = uvmachine(["boot", "hello"]);
		expect(stderr).not.toMatch(/0\.0 pages each| 0 million/);
	});
});

it("--rtc sets the wall clock; the host's is marked", () => {
	const date = (time: string): string[] => {
		const { stdout, stderr } = uvmachine(["boot", "date", "--rtc", time]);
		return [stdout, /wall clock .*/.exec(stderr)?.[0] ?? ""];
	};
	expect(date("2031-05-06")).toEqual(["Tue May  6 00:00:00 UTC 2031\n", ""]);
	const [now, mark] = date("host");
	expect(Math.abs(Date.parse(now!) - Date.now())).toBeLessThan(3_600_000);
	const again = /--rtc (\S+)/.exec(mark!)![1]!;
	expect(date(again)[0]).toBe(now);
});

describe("a signal", () => {
	it.each([
		["SIGINT", 130],
		["SIGTERM", 143],
	] as const)("%s ends a run in good order", async (signal, code) => {
		const [json, trace] = [file("signal.json"), file("signal.trace")];
		const args = ["boot", "sh", "--json", json, "--trace", trace, "--", "-c", "yes"];
		const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
		let stderr = "";
		child.stderr.on("data", (data) => {
			stderr += data;
		});
		await once(child.stdout, "data");
		child.stdout.resume();
		child.kill(signal);
		expect((await once(child, "close"))[0]).toBe(code);
		expect(stderr).toContain(`uvmachine: sh interrupted by ${signal}`);
		expect(JSON.parse(readFileSync(json, "utf8")).exit).toMatchObject({
			kind: "running",
			reason: `interrupted by ${signal}`,
		});
		expect(() => JSON.parse(readFileSync(trace, "utf8"))).not.toThrow();
	});

	it("ends a run that waits for input", async () => {
		const child = spawn(process.execPath, [MAIN, "boot", "cat"], { stdio: "pipe" });
		child.stdin.write("hello\n");
		await once(child.stdout, "data");
		child.kill("SIGTERM");
		expect((await once(child, "close"))[0]).toBe(143);
	});
});

describe("an image that a machine may write", () => {
	const image = (): string => {
		const path = file("disk.img");
		writeFileSync(path, "");
		truncateSync(path, 1 << 20);
		return path;
	};

	it("is refused to a second one, and free again after the first", async () => {
		const path = image();
		const first = spawn(process.execPath, [MAIN, "boot", "-q", "cat", "--disk", path]);
		first.stdin.write("hello\n");
		await once(first.stdout, "data");
		expect(failure("boot", "hello", "--disk", path)).toEqual([
			2,
			`uvmachine: disk ${path}: is in use by process ${first.pid} (${path}.lock)`,
		]);
		first.stdin.end();
		await once(first, "close");
		expect(existsSync(`${path}.lock`)).toBe(false);
		expect(uvmachine(["boot", "-q", "hello", "--disk", path]).status).toBe(0);
	});

	it("is not kept by a machine that was killed", async () => {
		const path = image();
		const first = spawn(process.execPath, [MAIN, "boot", "-q", "cat", "--disk", path]);
		first.stdin.write("hello\n");
		await once(first.stdout, "data");
		first.kill("SIGKILL");
		await once(first, "close");
		expect(existsSync(`${path}.lock`)).toBe(true);
		expect(uvmachine(["boot", "-q", "hello", "--disk", path]).status).toBe(0);
	});

	it("is not taken twice by the same machine", () => {
		const path = image();
		const line = `uvmachine: disk ${path}: is given twice`;
		expect(failure("boot", "hello", "--disk", path, "--disk", path)).toEqual([2, line]);
	});
});
