/** q and Q packets: queries and settings (GDB manual, appendix E.4). */
import { PACKET_MAX, parseHex, textToHex } from "./packet.ts";
import { E_INVAL, E_SRCH, type GdbSession } from "./session.ts";
import type { GdbThread } from "./target.ts";

/** => the answer; empty for an unknown packet. */
export function queryCommand(session: GdbSession, data: string): string {
	const { target } = session;
	const name = /^[^:,;]*/.exec(data)![0];
	switch (name) {
		case "qSupported":
			return supported(target.reverse);
		case "QStartNoAckMode":
			session.noAck = true;
			return "OK";
		case "qAttached":
			return "1"; // when the debugger quits, it detaches and the machine keeps running
		case "qC":
			return `QC${target.currentThread().toString(16)}`;
		case "qfThreadInfo": {
			const ids = target.threads().map(({ id }) => id.toString(16));
			return ids.length === 0 ? "l" : `m${ids.join(",")}`;
		}
		case "qsThreadInfo":
			return "l"; // qfThreadInfo has listed all of them
		case "qThreadExtraInfo": {
			const id = parseHex(data.slice(name.length + 1));
			const thread = target.threads().find((t) => t.id === id);
			return thread === undefined ? E_SRCH : textToHex(describe(thread));
		}
		case "qSymbol":
			return "OK"; // we look up no symbols
		case "qXfer":
			return transfer(session, data.slice(name.length + 1));
		default:
			return "";
	}
}

function supported(reverse: boolean): string {
	const features = [
		`PacketSize=${PACKET_MAX.toString(16)}`,
		"QStartNoAckMode+",
		"qXfer:features:read+",
		"qXfer:threads:read+",
		"vContSupported+",
		"swbreak+",
		"hwbreak+",
	];
	if (reverse) features.push("ReverseStep+", "ReverseContinue+");
	return features.join(";");
}

const describe = ({ name, info }: GdbThread): string => (info === "" ? name : `${name}: ${info}`);

/** `object:read:annex:offset,length` => `m` and a piece of it, or `l` and the last piece. */
function transfer({ target }: GdbSession, request: string): string {
	const match = /^(features|threads):read:([^:]*):([0-9a-fA-F]+),([0-9a-fA-F]+)$/.exec(request);
	const offset = parseHex(match?.[3]);
	const length = parseHex(match?.[4]);
	if (match === null) return /^(features|threads):/.test(request) ? E_INVAL : "";
	if (offset === null || length === null) return E_INVAL;
	const [, object, annex] = match;
	if (annex !== (object === "features" ? "target.xml" : "")) return "E00";
	const text = object === "features" ? target.xml : threadsXml(target.threads());
	// Leave room for escapes.
	const piece = text.slice(offset, offset + Math.min(length, PACKET_MAX / 2));
	return `${offset + piece.length < text.length ? "m" : "l"}${piece}`;
}

function threadsXml(threads: readonly GdbThread[]): string {
	const lines = threads.map(
		({ id, name, info }) =>
			`<thread id="${id.toString(16)}" name="${escapeXml(name)}">${escapeXml(info)}</thread>\n`,
	);
	return `<?xml version="1.0"?>\n<threads>\n${lines.join("")}</threads>\n`;
}

/** The names of processes come from the guest and may contain any byte. */
const escapeXml = (text: string): string =>
	text.replace(/[^ -%'-;=?-~]|["']/g, (c) => {
		const code = c.charCodeAt(0);
		return code < 0x20 || code > 0x7e ? "?" : `&#${code};`;
	});
