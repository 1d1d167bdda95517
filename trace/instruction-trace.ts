/**
 * Writes a line of text for each instruction: cycle, mode, address, bytes, disassembly, and the
 * integer registers that it changed or the exception that it raised.
 *
 *   1202 U 00010074:  00450513  addi a0,a0,4        a0=00020004
 */
import { instructionLength } from "../machine/decode.ts";
import { REGISTER_NAMES } from "../machine/disasm.ts";
import type { Hart } from "../machine/hart.ts";
import { PRIV_M, PRIV_S } from "../machine/hart-state.ts";
import { listingLine } from "../machine/listing.ts";
import { hostOffset, translateNow } from "../machine/walk.ts";
import { exceptionName } from "./board-trace.ts";

/** Column of the changed registers. */
const CHANGES_COLUMN = 64;

const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");

/** The instruction that the hart would fetch at `pc`, or null. => has no side effects. */
function fetch(hart: Hart, pc: number): number | null {
	const { memory } = hart;
	const half = (va: number): number | null => {
		const pa = translateNow(hart, va);
		const host = pa < 0 ? -1 : hostOffset(memory, pa, 2);
		return host < 0 ? null : memory.u16[host >> 1]!;
	};
	const low = half(pc);
	if (low === null || instructionLength(low) === 2) return low;
	const high = half((pc + 2) >>> 0);
	return high === null ? null : low | (high << 16);
}

const modeOf = (priv: number): string => (priv === PRIV_M ? "M" : priv === PRIV_S ? "S" : "U");

/** => `end` writes the last line. */
export function traceHart(hart: Hart, write: (text: string) => void): { end(): void } {
	const before = new Int32Array(32);
	let line: string | null = null;
	let steps = 0;
	let retired = 0;
	const finish = (): void => {
		// Without a step the run's time was up before the instruction began.
		if (line === null || hart.steps === steps) return;
		const changes = hart.counters.instret === retired ? [exceptionName(hart.state.cause)] : [];
		for (let i = 1; i < 32; i++) {
			if (hart.x[i] !== before[i]) changes.push(`${REGISTER_NAMES[i]}=${hex(hart.x[i]!)}`);
		}
		write(
			changes.length === 0 ? `${line}\n` : `${line.padEnd(CHANGES_COLUMN)}${changes.join(" ")}\n`,
		);
		line = null;
	};
	hart.beforeInstruction = () => {
		finish();
		before.set(hart.x);
		steps = hart.steps;
		retired = hart.counters.instret;
		const { pc } = hart;
		const word = fetch(hart, pc);
		const text = word === null ? `${hex(pc)}:  cannot be fetched` : listingLine(pc, word);
		line = `${hart.clock.cycles} ${modeOf(hart.state.priv)} ${text}`;
	};
	return {
		end() {
			finish();
			hart.beforeInstruction = null;
		},
	};
}
