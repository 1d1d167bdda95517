/**
 * The target's end of the remote protocol: takes bytes from a debugger, answers, and drives a
 * GdbTarget. It has no socket and no clock; the owner of the connection calls `receive` with the
 * bytes that arrive and `poll` as long as `running`.
 *
 * Every packet gets the answer that the protocol prescribes: "ENN" if it cannot be carried out (NN
 * is an errno), an empty one if it is unknown, "-" if it is damaged.
 */
import { breakpointCommand } from "./break-packets.ts";
import { frame, fromHex, PACKET_MAX, PacketReader, parseHex, textToHex, toHex } from "./packet.ts";
import { queryCommand } from "./query-packets.ts";
import { parseResume, type ResumeRequest } from "./resume-packets.ts";
import { E_FAULT, E_INVAL, E_SRCH, type GdbSession } from "./session.ts";
import { GDB_SIGTRAP, type GdbStop, type GdbTarget } from "./target.ts";

/** A monitor command's answer is sent in packets of so many characters. */
const OUTPUT_CHUNK = 1000;
/** Limit on the steps of a range in one call of `poll`. */
const RANGE_STEPS = 20_000;

/** How the session ended. */
export type GdbEnd = "detached" | "killed";

export class GdbStub implements GdbSession {
	readonly target: GdbTarget;
	generalThread = 0;
	noAck = false;
	/** Set once the debugger has detached or killed the target. */
	end: GdbEnd | null = null;
	readonly #send: (bytes: string) => void;
	readonly #reader = new PacketReader();
	#last = "";
	#running = false;
	#range: ResumeRequest | null = null;
	#stop: GdbStop;

	/** `send` takes bytes as the characters of a string. => the target must be stopped. */
	constructor(target: GdbTarget, send: (bytes: string) => void) {
		this.target = target;
		this.#send = send;
		this.#stop = { kind: "signal", thread: target.currentThread(), signal: GDB_SIGTRAP };
	}

	/** Is the target running, and the debugger waiting for it to stop? */
	get running(): boolean {
		return this.#running;
	}

	get thread(): number {
		return this.generalThread > 0 ? this.generalThread : this.target.currentThread();
	}

	/** Bytes from the debugger. */
	receive(bytes: Uint8Array): void {
		for (const byte of bytes) {
			if (this.end !== null) return;
			const got = this.#reader.take(byte);
			if (got === null) continue;
			if (got.kind === "interrupt") {
				if (this.#running) this.target.interrupt();
			} else if (got.kind === "nak") {
				if (!this.noAck && this.#last !== "") this.#send(this.#last);
			} else if (got.kind === "bad") {
				if (!this.noAck) this.#send("-");
			} else if (got.kind === "packet") {
				if (!this.noAck) this.#send("+");
				// While the target runs, only an interrupt is expected; drop everything else.
				if (!this.#running) this.#handle(got.data);
			}
		}
	}

	/** Let the target run for a while. => is it still running? */
	poll(): boolean {
		if (!this.#running) return false;
		for (let n = 0; n < RANGE_STEPS; n++) {
			const stop = this.target.run();
			if (stop === null) return true;
			if (!this.#continuesRange(stop)) {
				this.stopped(stop);
				return false;
			}
		}
		return true;
	}

	/** Tell the debugger that the target has stopped. */
	stopped(stop: GdbStop): void {
		this.print(this.target.notice());
		this.#running = false;
		this.#stop = stop;
		this.generalThread = 0;
		this.#reply(stopReply(stop));
	}

	/** Text for the debugger's user. => only while the target runs. */
	print(text: string): void {
		if (this.#running && text !== "") this.#reply(`O${textToHex(text)}`);
	}

	/** Make the next step of a range, if pc is still inside it. => false if the range is done. */
	#continuesRange(stop: GdbStop): boolean {
		const range = this.#range;
		if (range === null || stop.kind !== "signal" || stop.signal !== GDB_SIGTRAP) return false;
		if (stop.thread !== range.how.thread) return false;
		const pc = this.target.readRegister(stop.thread, 32);
		if (pc === null) return false;
		const at = new DataView(pc.buffer).getUint32(0, true);
		if (at < range.start || at >= range.end) return false;
		this.target.resume(range.how);
		return true;
	}

	#reply(data: string): void {
		this.#last = frame(data);
		this.#send(this.#last);
	}

	#handle(data: string): void {
		const reply = this.#command(data);
		if (reply !== null) this.#reply(reply);
	}

	/** => the answer, or null if there is none, or none yet. */
	#command(data: string): string | null {
		const { target } = this;
		switch (data[0]) {
			case "?":
				return stopReply(this.#stop);
			case "g":
				return this.#readAll();
			case "G":
				return this.#writeAll(data.slice(1));
			case "p":
				return this.#readOne(data.slice(1));
			case "P":
				return this.#writeOne(data.slice(1));
			case "m":
				return this.#readMemory(data.slice(1));
			case "M":
			case "X":
				return this.#writeMemory(data[0], data.slice(1));
			case "z":
			case "Z":
				return breakpointCommand(this, data);
			case "H":
				return this.#selectThread(data.slice(1));
			case "T":
				return this.#findThread(data.slice(1)) === null ? E_SRCH : "OK";
			case "k":
				this.end = "killed";
				return null;
			case "D":
				this.end = "detached";
				target.detach();
				return "OK";
			case "q":
			case "Q":
				if (data.startsWith("qRcmd,")) return this.#monitor(data.slice(6));
				return queryCommand(this, data);
			case "v":
				if (data.startsWith("vKill")) {
					this.end = "killed";
					return "OK";
				}
		}
		return this.#resume(data);
	}

	#resume(data: string): string | null {
		const request = parseResume(this, data);
		if (typeof request === "string") return request;
		if (this.target.threads().length === 0) return E_SRCH;
		const { how, pc } = request;
		if (pc !== null && !this.target.writeRegister(how.thread, 32, pc)) return E_FAULT;
		this.#range = request.end > request.start ? request : null;
		this.#running = true;
		this.target.resume(how);
		return null;
	}

	#monitor(hex: string): string {
		const command = fromHex(hex);
		if (command === null) return E_INVAL;
		const text = this.target.monitor(new TextDecoder().decode(command).trim());
		for (let i = 0; i < text.length; i += OUTPUT_CHUNK) {
			this.#reply(`O${textToHex(text.slice(i, i + OUTPUT_CHUNK))}`);
		}
		return "OK";
	}

	#readAll(): string {
		let text = "";
		for (let n = 0; n <= this.target.registerCount; n++) {
			const bytes = this.target.readRegister(this.thread, n);
			if (bytes === null) return E_SRCH;
			text += toHex(bytes);
		}
		return text;
	}

	#writeAll(hex: string): string {
		const bytes = fromHex(hex);
		if (bytes === null) return E_INVAL;
		let at = 0;
		for (let n = 0; n <= this.target.registerCount && at < bytes.length; n++) {
			const old = this.target.readRegister(this.thread, n);
			if (old === null) return E_SRCH;
			const value = bytes.subarray(at, at + old.length);
			at += old.length;
			// The packet contains x0, which cannot be written.
			if (n !== 0 && !this.target.writeRegister(this.thread, n, value)) return E_INVAL;
		}
		return "OK";
	}

	#readOne(text: string): string {
		const n = parseHex(text);
		const bytes = n === null ? null : this.target.readRegister(this.thread, n);
		return bytes === null ? E_INVAL : toHex(bytes);
	}

	#writeOne(text: string): string {
		const [number, value, ...rest] = text.split("=");
		const n = parseHex(number);
		const bytes = value === undefined ? null : fromHex(value);
		if (n === null || bytes === null || rest.length > 0) return E_INVAL;
		return this.target.writeRegister(this.thread, n, bytes) ? "OK" : E_INVAL;
	}

	#readMemory(text: string): string {
		const [address, length] = text.split(",").map((part) => parseHex(part));
		if (address === null || address === undefined) return E_INVAL;
		if (length === null || length === undefined || length > PACKET_MAX / 2) return E_INVAL;
		const bytes = this.target.readMemory(this.thread, address, length);
		return bytes.length === 0 ? E_FAULT : toHex(bytes);
	}

	#writeMemory(kind: string | undefined, text: string): string {
		const match = /^([0-9a-fA-F]+),([0-9a-fA-F]+):([\s\S]*)$/.exec(text);
		const address = parseHex(match?.[1]);
		const length = parseHex(match?.[2]);
		if (match === null || address === null || length === null) return E_INVAL;
		const data = match[3]!;
		const bytes = kind === "M" ? fromHex(data) : Uint8Array.from(data, (c) => c.charCodeAt(0));
		if (bytes === null || bytes.length !== length) return E_INVAL;
		if (length === 0) return "OK"; // gdb probes for X packets this way
		return this.target.writeMemory(this.thread, address, bytes) ? "OK" : E_FAULT;
	}

	#selectThread(text: string): string {
		const id = text.slice(1);
		if (text[0] !== "g" && text[0] !== "c") return E_INVAL;
		const thread = id === "-1" || id === "0" ? 0 : this.#findThread(id);
		if (thread === null) return E_SRCH;
		if (text[0] === "g") this.generalThread = thread;
		return "OK";
	}

	#findThread(text: string): number | null {
		const id = parseHex(text);
		return this.target.threads().find((thread) => thread.id === id)?.id ?? null;
	}
}

/** GDB manual, appendix E.3. */
function stopReply(stop: GdbStop): string {
	const hex = (n: number): string => n.toString(16).padStart(2, "0");
	const trap = (thread: number, reason: string): string =>
		`T${hex(GDB_SIGTRAP)}thread:${hex(thread)};${reason}`;
	switch (stop.kind) {
		case "signal":
			return `T${hex(stop.signal)}thread:${hex(stop.thread)};`;
		case "breakpoint":
			return trap(stop.thread, stop.hardware ? "hwbreak:;" : "swbreak:;");
		case "watchpoint":
			return trap(stop.thread, `${stop.type}:${stop.address.toString(16)};`);
		case "begin":
			return trap(stop.thread, "replaylog:begin;");
		case "exited":
			return `W${hex(stop.code & 0xff)}`;
		case "killed":
			return `X${hex(stop.signal)}`;
	}
}
