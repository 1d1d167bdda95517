/** A debugger's end of the protocol, for tests, in the same process as the stub. */
import { fromHex, toHex } from "../../gdb/protocol/packet.ts";
import { GdbStub } from "../../gdb/protocol/stub.ts";
import type { GdbTarget } from "../../gdb/protocol/target.ts";

/** Slices after which a target that has not stopped is left alone. */
const POLLS = 1000;

export const packet = (data: string): string => {
	let sum = 0;
	for (const c of data) sum = (sum + c.charCodeAt(0)) & 0xff;
	return `$${data}#${sum.toString(16).padStart(2, "0")}`;
};

export const latin1 = (text: string): Uint8Array =>
	Uint8Array.from(text, (c) => c.charCodeAt(0) & 0xff);

export class GdbClient {
	readonly stub: GdbStub;
	/** Everything that the stub has sent since it was last taken. */
	sent = "";

	constructor(target: GdbTarget) {
		this.stub = new GdbStub(target, (bytes) => {
			this.sent += bytes;
		});
	}

	/** Send bytes as they are. => what came back, acknowledgements and all. */
	raw(text: string): string {
		this.sent = "";
		this.stub.receive(latin1(text));
		return this.sent;
	}

	/** Send a packet, and run the target if it resumes. => the packets that came back. */
	all(data: string): string[] {
		this.sent = "";
		this.stub.receive(latin1(packet(data)));
		for (let i = 0; i < POLLS && this.stub.running; i++) this.stub.poll();
		return packets(this.sent);
	}

	/** As `all`, if one packet is expected. => its data; "" if none came. */
	ask(data: string): string {
		const got = this.all(data);
		if (got.length > 1) throw new Error(`${got.length} packets: ${got.join(" ")}`);
		return got[0] ?? "nothing";
	}

	/** The console output of a monitor command. */
	monitor(command: string): string {
		const got = this.all(`qRcmd,${toHex(latin1(command))}`);
		if (got.pop() !== "OK") throw new Error(`monitor ${command}: no OK`);
		return got.map((o) => new TextDecoder().decode(fromHex(o.slice(1))!)).join("");
	}

	/** A register as an unsigned number. */
	register(n: number): number {
		const hex = this.ask(`p${n.toString(16)}`);
		return new DataView(fromHex(hex)!.buffer).getUint32(0, true);
	}
}

/** The data of the packets in `text`, their sums checked; escapes are undone. */
export function packets(text: string): string[] {
	const found: string[] = [];
	for (let at = 0; at < text.length; ) {
		if (text[at] === "+" || text[at] === "-") {
			at++;
			continue;
		}
		const end = text.indexOf("#", at);
		if (text[at] !== "$" || end < 0) throw new Error(`not a packet: ${text.slice(at, at + 40)}`);
		const body = text.slice(at + 1, end);
		if (packet(body) !== text.slice(at, end + 3)) throw new Error(`wrong sum: ${body}`);
		const undo = (_: string, c: string): string => String.fromCharCode(c.charCodeAt(0) ^ 0x20);
		found.push(body.replace(/\}([\s\S])/g, undo));
		at = end + 3;
	}
	return found;
}
