/**
 * Boards whose registers and RAM can be read and written: ours, and QEMU's `virt`, which is driven
 * through its qtest protocol while its hart and virtual time stand still.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import type { BoardOptions } from "../../devices/board.ts";
import type { Width } from "../../machine/bus.ts";
import { Bench } from "./bench-board.ts";

const QEMU = "qemu-system-riscv32";

export const qemuInstalled = (): boolean => spawnSync(QEMU, ["--version"]).status === 0;

export interface Target {
	read(pa: number, width: Width): Promise<number>;
	write(pa: number, width: Width, value: number): Promise<void>;
	/** Let time pass until a 16-bit word in RAM has this value. */
	waitFor(pa: number, value: number): Promise<void>;
}

export class OurBoard implements Target {
	readonly bench: Bench;

	constructor(options: BoardOptions = {}) {
		this.bench = new Bench(options);
	}

	async read(pa: number, width: Width): Promise<number> {
		if (pa < 0x8000_0000) return this.bench.bus.load(pa, width);
		const bytes = new Uint8Array(width);
		this.bench.ram.read(pa, bytes);
		return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
	}

	async write(pa: number, width: Width, value: number): Promise<void> {
		if (pa < 0x8000_0000) {
			expect(this.bench.bus.store(pa, width, value)).toBe(true);
			return;
		}
		const bytes = Uint8Array.from({ length: width }, (_, i) => (value >>> (8 * i)) & 0xff);
		this.bench.ram.write(pa, bytes);
	}

	async waitFor(pa: number, value: number): Promise<void> {
		while (this.bench.clock.skip());
		expect(await this.read(pa, 2)).toBe(value);
	}
}

export interface QemuOptions {
	/** Which registers the virtio slots have. */
	readonly legacy?: boolean;
	/** Raw image files; disk i is in slot i and has the serial number "disk<i>". */
	readonly disks?: readonly { readonly path: string; readonly readOnly?: boolean }[];
}

export class Qemu implements Target {
	readonly #child: ChildProcess;
	readonly #answers: ((line: string) => void)[] = [];

	constructor({ legacy = true, disks = [] }: QemuOptions = {}) {
		const drives = disks.flatMap(({ path, readOnly = false }, i) => [
			"-drive",
			`file=${path},format=raw,if=none,id=d${i},discard=unmap,readonly=${readOnly ? "on" : "off"}`,
			"-device",
			`virtio-blk-device,drive=d${i},serial=disk${i},bus=virtio-mmio-bus.${i}`,
		]);
		this.#child = spawn(
			QEMU,
			// biome-ignore format: one option a line
			[
				"-machine", "virt", "-m", "16M", "-S", "-display", "none", "-bios", "none",
				"-serial", "null", "-monitor", "none", "-qtest", "stdio", "-qtest-log", "none",
				"-global", `virtio-mmio.force-legacy=${legacy}`, ...drives,
			],
			{ stdio: ["pipe", "pipe", "ignore"] },
		);
		createInterface({ input: this.#child.stdout! }).on("line", (line) => {
			if (!line.startsWith("[")) this.#answers.shift()?.(line);
		});
	}

	async read(pa: number, width: Width): Promise<number> {
		const answer = await this.#command(`read${letter(width)} ${pa}`);
		return Number(answer.split(" ")[1]);
	}

	async write(pa: number, width: Width, value: number): Promise<void> {
		await this.#command(`write${letter(width)} ${pa} ${value >>> 0}`);
	}

	async waitFor(pa: number, value: number): Promise<void> {
		for (let i = 0; i < 100_000; i++) if ((await this.read(pa, 2)) === value) return;
		throw new Error("QEMU never completed the request");
	}

	async close(): Promise<void> {
		const exited = new Promise((resolve) => this.#child.on("exit", resolve));
		this.#child.kill();
		await exited;
	}

	#command(line: string): Promise<string> {
		return new Promise((resolve, reject) => {
			this.#answers.push((answer) => {
				if (answer.startsWith("OK")) resolve(answer);
				else reject(new Error(`${line}: ${answer}`));
			});
			this.#child.stdin!.write(`${line}\n`);
		});
	}
}

function letter(width: Width): string {
	return width === 1 ? "b" : width === 2 ? "w" : "l";
}
