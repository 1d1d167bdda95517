/**
 * `--gdb`: with a real debugger, where one is installed, and with clients that misbehave. The
 * debugger reads its commands from a file, and its output is compared.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { MAIN, uvmachine } from "../support/cli.ts";
import { packet } from "../support/gdb-client.ts";
import { CHILD_LIMIT_MS } from "../support/limits.ts";
import { ROOT } from "../support/sources.ts";
import { hasCommand } from "../workloads/support.ts";

const GDB = "gdb-multiarch";
const GCC = "riscv64-unknown-elf-gcc";
const hasGdb = hasCommand(GDB, "--version");
const hasGcc = hasCommand(GCC, "--version");

/** gdb's own limits, in seconds: for a connection, and for an answer (2 without this). */
const PATIENCE = "set tcp connect-timeout 300\nset remotetimeout 300\n";

const dir = mkdtempSync(join(tmpdir(), "uvmachine-gdb-"));
afterAll(() => rmSync(dir, { recursive: true }));

interface Served {
	readonly child: ChildProcess;
	readonly port: number;
	/** What it has printed on stdout and stderr so far. */
	readonly printed: () => { out: string; err: string };
	/** Its exit code. */
	readonly ended: Promise<number | null>;
}

const served: Served[] = [];
afterEach(() => {
	for (const { child } of served.splice(0)) child.kill("SIGKILL");
});

/** Start uvmachine with a gdb server on a free port. */
async function serve(...args: string[]): Promise<Served> {
	const [command, ...rest] = args;
	const all = [MAIN, command!, "--gdb", "0", ...rest];
	const child = spawn(process.execPath, all);
	let out = "";
	let err = "";
	child.stdout.on("data", (chunk) => (out += chunk));
	const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
	const port = await new Promise<number>((resolve, reject) => {
		child.stderr.on("data", (chunk) => {
			err += chunk;
			const match = /target remote 127\.0\.0\.1:(\d+)\n/.exec(err);
			if (match !== null) resolve(Number(match[1]));
		});
		void ended.then(() => reject(new Error(`ended: ${err}`)));
	});
	const result = { child, port, printed: () => ({ out, err }), ended };
	served.push(result);
	return result;
}

/** Let the debugger execute `commands`. => its output. */
function gdb(port: number, file: string, commands: string): string {
	const script = join(dir, "commands");
	const setup = `set pagination off\nset confirm off\n${PATIENCE}`;
	writeFileSync(script, `${setup}target remote 127.0.0.1:${port}\n${commands}`);
	const { stdout, stderr } = spawnSync(GDB, ["-nx", "-batch", "-x", script, file], {
		encoding: "utf8",
		timeout: CHILD_LIMIT_MS,
	});
	return stdout + stderr;
}

const START = `
	.globl _start
_start:	lui sp, 0x80010
	call main
	li t0, 0x100000
	li t1, 0x5555
	sw t1, 0(t0)
1:	j 1b
`;
const PROGRAM = `
static volatile char *const uart = (char *)0x10000000;
int counter;
int values[8];
static void print(const char *s) { while (*s) *uart = *s++; }
__attribute__((noinline)) int square(int n)
{
	counter++;
	return n * n;
}
__attribute__((noinline)) void fill(void)
{
	for (int i = 0; i < 8; i++)
		values[i] = square(i);
}
int main(void)
{
	print("one\\n");
	fill();
	print("two\\n");
	return values[7];
}
`;

/** => the path of the program above, built with debugging information. */
function build(): string {
	const path = join(dir, "program");
	writeFileSync(`${path}.S`, START);
	writeFileSync(`${path}.c`, PROGRAM);
	const flags = "-g -O1 -march=rv32imac -mabi=ilp32 -nostdlib -ffreestanding -mno-relax -static";
	const link = ["-Wl,-Ttext=0x80000000", "-Wl,-n", "-Wl,--no-relax", "-Wl,--build-id=none"];
	const args = [...flags.split(" "), ...link, "-o", path, `${path}.S`, `${path}.c`];
	const { status, stderr } = spawnSync(GCC, args, { encoding: "utf8" });
	expect(status, stderr).toBe(0);
	return path;
}

if (!hasGdb) console.log(`${GDB} is not installed: it drives no test`);

describe.skipIf(!hasGdb || !hasGcc)("gdb and a bare machine", () => {
	it("runs, shows state, steps, and goes back", async () => {
		const path = build();
		const { port, ended, printed } = await serve("run", path, "--ram", "8M");
		const said = gdb(
			port,
			path,
			`break square if n == 5
continue
bt
info registers pc mstatus priv
print counter
stepi
x/2i $pc
reverse-stepi
watch counter
continue
reverse-continue
reverse-continue
reverse-continue
info threads
monitor info pagetable
monitor xp/1xw 0x80000000
delete
finish
set var counter = 100
print counter
print values
detach
`,
		);
		const order = [
			/Breakpoint 1, square \(n=n@entry=5\)/,
			/#0 {2}square[^#]*#1 .* in fill[^#]*#2 .* in main/,
			/pc +0x[\da-f]+\s+0x[\da-f]+ <square>/,
			/prv:3 \[Machine\]/,
			/\$1 = 5\n/,
			/=> 0x[\da-f]+ <square\+\d+>:/,
			/Hardware watchpoint 2: counter/,
			/Old value = 5\nNew value = 6/,
			/Old value = 6\nNew value = 5/,
			/Breakpoint 1, square \(n=n@entry=5\)/,
			/Old value = 5\nNew value = 4/,
			/Thread 1 "hart 0" \(machine mode\)/,
			/Value returned is \$2 = 16/,
			/\$3 = 100\n/,
			/\$4 = \{0, 1, 4, 9, /,
			/Inferior 1 .*detached/,
		];
		let rest = said;
		for (const pattern of order) {
			const match = pattern.exec(rest);
			expect(match, `${pattern} in:\n${said}`).not.toBeNull();
			rest = rest.slice(match!.index + match![0].length);
		}
		// The output of monitor commands comes on another stream.
		expect(said).toContain("satp: no page table\n");
		expect(said).toContain("80000000: 0x80010137\n");
		expect(await ended).toBe(0);
		expect(printed().out).toBe("one\ntwo\n");
	});
});

describe.skipIf(!hasGdb)("gdb and a system", () => {
	it("shows processes, and reports the end", async () => {
		const { port, ended, printed } = await serve("boot", "sh", "-q", "--", "-c", "hello; exit 3");
		const said = gdb(
			port,
			`${ROOT}/workloads/bin/sh`,
			`info registers pc
info threads
stepi
monitor catch exec
continue
info threads
monitor info processes
monitor info uvmexp
monitor info pagetable
reverse-stepi
monitor catch none
continue
`,
		);
		expect(said).toMatch(/pc +0x10000\b/);
		expect(said).toMatch(/Thread 1 "1\.\d+ sh" \(on the hart\)/);
		expect(said).toMatch(/exec: hello \(pid 2\)/);
		expect(said).toMatch(/Thread 2 .* received signal SIGTRAP/);
		expect(said).toMatch(/Thread 2 "2\.\d+ hello"/);
		expect(said).toMatch(/ +2 +1 .* hello/);
		expect(said).toMatch(/faults +\d+/);
		expect(said).toMatch(/00012000-[\da-f]{8} -> 8[\da-f]{7} {2}4K {2}rw-u/);
		expect(said).toMatch(/exited with code 03/);
		expect(said).not.toMatch(/Error|warning/);
		expect(await ended).toBe(1);
		expect(printed().out).toBe("hello from user mode\n");
	});

	it("reports a signal before it is delivered", async () => {
		const { port, ended } = await serve("boot", "wild", "-q", "--", "null");
		const said = gdb(port, `${ROOT}/workloads/bin/wild`, "continue\ncontinue\n");
		expect(said).toMatch(/received signal SIGSEGV/);
		expect(said).toMatch(/terminated with signal SIGSEGV/);
		expect(await ended).toBe(1);
	});
});

/** Connect, and collect what is received. */
async function client(
	port: number,
	host = "127.0.0.1",
): Promise<{ socket: Socket; got: () => string }> {
	const socket = connect(port, host);
	let got = "";
	socket.on("data", (chunk) => (got += chunk.toString("latin1")));
	await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
	return { socket, got: () => got };
}

async function until(condition: () => boolean): Promise<void> {
	while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("the server", () => {
	it("waits; after a lost connection the next debugger continues", async () => {
		const { port, ended, printed } = await serve("boot", "hello", "-q");
		const first = await client(port);
		first.socket.write(packet("s"));
		await until(() => first.got().includes("T05"));
		first.socket.destroy();
		const second = await client(port);
		second.socket.write(packet("c"));
		expect(await ended).toBe(0);
		expect(second.got()).toMatch(/\$W00#/);
		expect(printed()).toEqual({
			out: "hello from user mode\n",
			err: expect.not.stringMatching(/ at /),
		});
	});

	it("serves one client at a time", async () => {
		const { port } = await serve("boot", "hello", "-q");
		const first = await client(port);
		const second = await client(port);
		await new Promise((resolve) => second.socket.once("close", resolve));
		first.socket.write(packet("qC"));
		await until(() => first.got().includes("QC1"));
	});

	it("listens on the loopback interface only", async () => {
		const { port } = await serve("boot", "hello", "-q");
		const others = Object.values(networkInterfaces())
			.flatMap((list) => list ?? [])
			.filter(({ internal, family }) => !internal && family === "IPv4");
		for (const { address } of others) await expect(client(port, address)).rejects.toThrow();
		(await client(port)).socket.destroy();
	});

	it("survives garbage, and a connection closed in the middle of a packet", async () => {
		const { port, ended, printed } = await serve("boot", "hello", "-q");
		for (const text of [
			"$",
			"$m",
			"\x03\x03\x03",
			"X",
			"GET / HTTP/1.1\r\n\r\n",
			"$zz#11-",
			"$c#63",
		]) {
			const c = await client(port);
			c.socket.write(Buffer.from(text, "latin1"));
			await new Promise((resolve) => setTimeout(resolve, 20));
			c.socket.destroy();
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
		expect(await ended).toBe(0); // the last client has let it run
		expect(printed().err).not.toMatch(/Error| at /);
	});

	it("stops a running machine when a debugger connects, and lets it run on detach", async () => {
		const { port, printed, ended } = await serve("boot", "cat", "-q", "--no-gdb-wait");
		const c = await client(port);
		c.socket.write(packet("?"));
		await until(() => c.got().includes("T05thread:01;"));
		c.socket.write(packet("D"));
		await until(() => c.got().includes("$OK#9a"));
		const child = served.at(-1)!.child;
		child.stdin!.write("some\n");
		await until(() => printed().out === "some\n");
		child.stdin!.end("text\n");
		expect(await ended).toBe(0);
		expect(printed().out).toBe("some\ntext\n");
	});

	it("kills on request", async () => {
		const { port, ended, printed } = await serve("boot", "cat");
		const c = await client(port);
		c.socket.write(packet("vKill;1"));
		expect(await ended).toBe(0);
		expect(printed().err).toContain("uvmachine: cat killed by the debugger\n");
	});

	it.each([
		[["--gdb=x"], /A port is 0 to 65535/],
		[["--gdb=65536"], /A port is 0 to 65535/],
	])("%j is refused in one line", (args, message) => {
		const run = uvmachine(["boot", "hello", ...args]);
		expect(run.status).toBe(2);
		expect(run.stderr).toMatch(message);
		expect(run.stderr.trim().split("\n")).toHaveLength(1);
	});

	it("says so if the port is taken", async () => {
		const { port } = await serve("boot", "hello", "-q");
		const run = uvmachine(["boot", "hello", "--gdb", String(port)]);
		expect([run.status, run.stderr]).toEqual([2, `uvmachine: gdb: port ${port} is in use\n`]);
	});
});
