/** Packets that resume the target: c, C, s, S, bc, bs, vCont (GDB manual, appendix E.2). */

import { parseHex, wordBytes } from "./packet.ts";
import { E_INVAL, E_SRCH, type GdbSession } from "./session.ts";
import type { GdbResume } from "./target.ts";

export interface ResumeRequest {
	readonly how: GdbResume;
	/** The address to resume at, or null for the thread's current pc. */
	readonly pc: Uint8Array | null;
	/** Keep stepping while pc is in this range; empty if a single step is meant. */
	readonly start: number;
	readonly end: number;
}

/** => the request, or the answer if there is nothing to resume. */
export function parseResume(session: GdbSession, data: string): ResumeRequest | string {
	const { target, thread } = session;
	if (data === "vCont?") return "vCont;c;C;s;S;r";
	if (data.startsWith("vCont;")) return parseVcont(session, data.slice(6));
	if (data === "bc" || data === "bs") {
		if (!target.reverse) return "";
		return request({ step: data === "bs", reverse: true, thread, signal: null });
	}
	const match = /^([csCS])(.*)$/.exec(data);
	if (match === null) return "";
	const kind = match[1]!;
	const withSignal = kind === "C" || kind === "S";
	const [first, second] = match[2]!.split(";");
	const signal = withSignal ? parseHex(first) : 0;
	const address = withSignal ? second : first;
	const pc = address === undefined || address === "" ? null : parseHex(address);
	if (signal === null || (pc === null && address !== undefined && address !== "")) return E_INVAL;
	const how = { step: kind === "s" || kind === "S", reverse: false, thread, signal };
	return { ...request(how), pc: pc === null ? null : wordBytes(pc) };
}

const request = (how: GdbResume): ResumeRequest => ({ how, pc: null, start: 0, end: 0 });

/**
 * `action[:thread];...`; the first action that matches a thread applies to it. All threads resume
 * together, so what matters is which of them, if any, is to step.
 */
function parseVcont(session: GdbSession, text: string): ResumeRequest | string {
	const { target } = session;
	let found: ResumeRequest | null = null;
	for (const part of text.split(";")) {
		const match = /^([cCsSr])([^:]*)(?::(.+))?$/.exec(part);
		if (match === null) return E_INVAL;
		const [, kind, operand = "", id = "-1"] = match;
		const all = id === "-1" || id === "0";
		const thread = all ? session.thread : parseHex(id);
		if (thread === null) return E_INVAL;
		if (!all && !target.threads().some((t) => t.id === thread)) return E_SRCH;
		const one = parseAction(kind!, operand, thread);
		if (one === null) return E_INVAL;
		if (found === null || (one.how.step && !found.how.step)) found = one;
	}
	return found ?? E_INVAL;
}

function parseAction(kind: string, operand: string, thread: number): ResumeRequest | null {
	const how = { step: kind !== "c" && kind !== "C", reverse: false, thread };
	switch (kind) {
		case "C":
		case "S": {
			const signal = parseHex(operand);
			return signal === null ? null : request({ ...how, signal });
		}
		case "r": {
			const [start, end, ...rest] = operand.split(",").map((n) => parseHex(n));
			if (start == null || end == null || rest.length > 0) return null;
			return { how: { ...how, signal: 0 }, pc: null, start, end };
		}
		default:
			return operand === "" ? request({ ...how, signal: 0 }) : null;
	}
}
