/** Z and z packets: breakpoints and watchpoints (GDB manual, appendix E.2). */
import { parseHex } from "./packet.ts";
import { E_INVAL, type GdbSession } from "./session.ts";
import type { BreakKind } from "./target.ts";

const KINDS: readonly BreakKind[] = ["software", "hardware", "write", "read", "access"];
/** The largest watchpoint, in bytes. */
const WATCH_MAX = 0x1_0000;

/** `Z type,addr,kind` or `z ...`. Conditions are ignored: the debugger checks them itself. */
export function breakpointCommand({ target }: GdbSession, data: string): string {
	const kind = KINDS[Number.parseInt(data[1] ?? "", 10)];
	if (kind === undefined) return "";
	const [empty, address, length] = data.slice(2).split(";")[0]!.split(",");
	const at = parseHex(address);
	const bytes = parseHex(length);
	if (empty !== "" || at === null || bytes === null) return E_INVAL;
	const isWatch = kind !== "software" && kind !== "hardware";
	if (isWatch && (bytes === 0 || bytes > WATCH_MAX || at + bytes > 2 ** 32)) return E_INVAL;
	const done = data[0] === "Z" ? target.insert(kind, at, bytes) : target.remove(kind, at, bytes);
	return done ? "OK" : E_INVAL;
}
