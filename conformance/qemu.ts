/** QEMU's side of the comparison: one process for many streams, driven through its gdb port. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CSR } from "../machine/csr-numbers.ts";
import { MSTATUS_MXR } from "../machine/hart-state.ts";
import { RAM_BASE } from "../machine/memory.ts";
import { GdbClient } from "./gdb-client.ts";
import { csrsOf } from "./generator.ts";
import { RAM_SIZE } from "./layout.ts";
import { type ArchState, COMPARED_CSRS } from "./state.ts";
import { imageOf, type Stream } from "./stream.ts";

export const QEMU = "qemu-system-riscv32";

/**
 * Options that make QEMU's CPU like ours. With a single hart QEMU executes an AMO as a load and a
 * store and reports faults of the load; so `start` asks for two harts, and the second never runs.
 */
const CPU =
	"rv32,h=false,Zfh=false,zbkb=true,pmu-num=0,sscofpmf=false,svinval=false,svnapot=false," +
	"svpbmt=false,Zihintpause=false,v=false";

// Register numbers in QEMU's target description.
const REG_PC = 32;
const REG_F = 33;
const REG_PRIV = 65;
const REG_CSR = 66;
/** Writes mtimecmp so that the CLINT's timer never expires. */
const MTIMECMP_NEVER = "M2004000,8:ffffffffffffffff";
/** Bytes of memory in one packet. */
const CHUNK = 1024;

/** The version that allowances.ts is written for. */
const VERSION = "7.2";

/** => null if the right version of QEMU is installed, else the problem in one line. */
export function qemuProblem(): string | null {
	const { status, stdout } = spawnSync(QEMU, ["--version"], { encoding: "utf8" });
	if (status !== 0) return `${QEMU} is not installed`;
	const version = /version (\d+\.\d+)/.exec(stdout)?.[1] ?? "unknown";
	return version === VERSION
		? null
		: `${QEMU} has version ${version}; version ${VERSION} is required`;
}

/** A 32-bit register in the protocol's format: hexadecimal, target byte order. */
const word = (value: number): string =>
	[0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join("");

const unword = (text: string, at = 0): number =>
	Number.parseInt(
		text.slice(at + 6, at + 8) +
			text.slice(at + 4, at + 6) +
			text.slice(at + 2, at + 4) +
			text.slice(at, at + 2),
		16,
	);

async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	await new Promise((resolve) => server.close(resolve));
	if (address === null || typeof address === "string") throw new Error("no port is free");
	return address.port;
}

export class Qemu {
	readonly #child: ChildProcess;
	readonly #gdb: GdbClient;
	readonly #folder: string;
	readonly #file: number;
	/** Installed as an exit handler, so that QEMU never outlives us. */
	readonly #kill = (): void => {
		this.#child.kill("SIGKILL");
		rmSync(this.#folder, { recursive: true, force: true });
	};
	/** The contents of RAM as of the last `readRam`. */
	readonly ram = new Uint8Array(RAM_SIZE);

	private constructor(child: ChildProcess, gdb: GdbClient, folder: string, file: number) {
		this.#child = child;
		this.#gdb = gdb;
		this.#folder = folder;
		this.#file = file;
		process.once("exit", this.#kill);
	}

	/** => rejects with a one-line message if QEMU does not start. */
	static async start(): Promise<Qemu> {
		const port = await freePort();
		const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
		const folder = mkdtempSync(join(base, "uvmachine-"));
		const path = join(folder, "ram");
		const child = spawn(
			QEMU,
			// biome-ignore format: one option a line
			[
				"-M", "virt,memory-backend=ram", "-smp", "2", "-m", `${RAM_SIZE / 2 ** 20}M`, "-cpu", CPU,
				"-object", `memory-backend-file,id=ram,size=${RAM_SIZE},mem-path=${path},share=on`,
				"-bios", "none", "-S", "-display", "none", "-serial", "none", "-monitor", "none",
				"-gdb", `tcp:127.0.0.1:${port}`,
			],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		let complaint = "";
		child.stderr!.on("data", (text) => {
			complaint += text;
		});
		for (let tries = 0; ; tries++) {
			try {
				const gdb = await GdbClient.open(port);
				const qemu = new Qemu(child, gdb, folder, openSync(path, "r"));
				// QEMU serves single registers only after the target description has been read. Steps
				// take interrupts while timers stand still; memory addresses are physical.
				await gdb.askAll(["qXfer:features:read:target.xml:0,ffb"]);
				await gdb.askAll(["Qqemu.sstep=5", "Qqemu.PhyMemMode:1", MTIMECMP_NEVER]);
				return qemu;
			} catch (error) {
				if (child.exitCode !== null || tries > 200) {
					child.kill("SIGKILL");
					rmSync(folder, { recursive: true, force: true });
					throw new Error(`${QEMU}: ${complaint.trim() || String(error)}`);
				}
				await new Promise((resolve) => setTimeout(resolve, 20));
			}
		}
	}

	stop(): void {
		this.#gdb.close();
		closeSync(this.#file);
		process.off("exit", this.#kill);
		this.#kill();
	}

	/** Put the machine in the stream's initial state. */
	async load(stream: Stream): Promise<void> {
		// M-mode first, so that nothing is translated or refused.
		const packets = [this.#put(REG_PRIV, 3), ...this.#memory(imageOf(stream))];
		for (const [csr, value] of csrsOf(stream)) packets.push(this.#put(REG_CSR + csr, value));
		packets.push(`G${[...stream.x, stream.start].map(word).join("")}`);
		for (let i = 0; i < 32; i++) {
			const value = word(stream.f[2 * i]!) + word(stream.f[2 * i + 1]!);
			packets.push(`P${(REG_F + i).toString(16)}=${value}`);
		}
		// Writing f registers and fcsr may have changed FS, so write mstatus again.
		const mstatus = stream.csrs.find(([csr]) => csr === CSR.mstatus)?.[1];
		if (mstatus !== undefined) packets.push(this.#put(REG_CSR + CSR.mstatus, mstatus));
		packets.push(this.#put(REG_PRIV, stream.priv), this.#put(REG_PC, stream.start));
		const answers = await this.#gdb.askAll(packets);
		const wrong = answers.findIndex((answer) => answer !== "OK");
		if (wrong >= 0) throw new Error(`${QEMU} refuses ${packets[wrong]}: ${answers[wrong]}`);
	}

	/** One step. => x0..x31 and pc after it */
	async step(): Promise<Int32Array> {
		const stop = await this.#gdb.ask("vCont;s:p1.1");
		if (!stop.startsWith("T05")) throw new Error(`${QEMU}: a step ended with ${stop}`);
		const text = await this.#gdb.ask("g");
		return Int32Array.from({ length: 33 }, (_, i) => unword(text, 8 * i));
	}

	async csrs(numbers: readonly number[]): Promise<number[]> {
		const packets = numbers.map((csr) => `p${(REG_CSR + csr).toString(16)}`);
		return (await this.#gdb.askAll(packets)).map((text) => unword(text));
	}

	async setCsr(csr: number, value: number): Promise<void> {
		await this.#gdb.ask(this.#put(REG_CSR + csr, value));
	}

	/** Drop all translations. */
	async flush(): Promise<void> {
		const [mstatus] = (await this.csrs([CSR.mstatus])) as [number];
		// QEMU drops them when a bit changes that affects translation.
		await this.setCsr(CSR.mstatus, mstatus ^ MSTATUS_MXR);
		await this.setCsr(CSR.mstatus, mstatus);
	}

	async setX(register: number, value: number): Promise<void> {
		await this.#gdb.ask(this.#put(register, value));
	}

	async state(): Promise<ArchState> {
		const floats = Array.from({ length: 32 }, (_, i) => `p${(REG_F + i).toString(16)}`);
		const csrs = COMPARED_CSRS.map(([, csr]) => `p${(REG_CSR + csr).toString(16)}`);
		const priv = unword(await this.#gdb.ask(`p${REG_PRIV.toString(16)}`));
		// Some CSRs can be read in M-mode only.
		const [general, ...rest] = (await this.#gdb.askAll([
			"g",
			...floats,
			this.#put(REG_PRIV, 3),
			...csrs,
			this.#put(REG_PRIV, priv),
		])) as [string, ...string[]];
		const f = rest.slice(0, 32).flatMap((text) => [unword(text), unword(text, 8)]);
		return {
			pc: unword(general, 8 * REG_PC),
			priv,
			x: Int32Array.from({ length: 32 }, (_, i) => unword(general, 8 * i)),
			f: Int32Array.from(f),
			csrs: Uint32Array.from(rest.slice(33, -1), (text) => unword(text)),
		};
	}

	/** Read all of RAM. */
	readRam(): Uint8Array {
		readSync(this.#file, this.ram, 0, RAM_SIZE, 0);
		return this.ram;
	}

	#put(register: number, value: number): string {
		return `P${register.toString(16)}=${word(value)}`;
	}

	/** Packets that set RAM to `image` and zeros; QEMU would not notice writes to the file. */
	#memory(image: Uint8Array): string[] {
		const now = this.readRam();
		const wanted = new Uint8Array(RAM_SIZE);
		wanted.set(image);
		const packets: string[] = [];
		for (let at = 0; at < RAM_SIZE; at += CHUNK) {
			const want = wanted.subarray(at, at + CHUNK);
			if (Buffer.compare(now.subarray(at, at + CHUNK), want) === 0) continue;
			const address = (RAM_BASE + at).toString(16);
			packets.push(`M${address},${CHUNK.toString(16)}:${Buffer.from(want).toString("hex")}`);
		}
		return packets;
	}
}
