/** Bits of supervisor registers, inverted. */
import {
	MSTATUS_FS,
	MSTATUS_MXR,
	MSTATUS_SIE,
	MSTATUS_SPIE,
	MSTATUS_SPP,
	MSTATUS_SUM,
} from "../../machine/hart-state.ts";
import type { CsrFlip } from "./cpu-rule.ts";
import { type Armed, change, type FaultHost, hex } from "./fault-host.ts";

/** The bits that each register has. */
const BITS: Readonly<Record<CsrFlip["csr"], number>> = {
	satp: 0xffff_ffff,
	sepc: 0xffff_fffe,
	stvec: 0xffff_fffd,
	sstatus: MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR,
	scause: 0xffff_ffff,
	stval: 0xffff_ffff,
};

export const csrBits = (csr: CsrFlip["csr"]): number => BITS[csr];

export function flipCsr(host: FaultHost, armed: Armed, { csr, mask }: CsrFlip): void {
	const { state, mmu } = host.machine.hart;
	const bits = BITS[csr];
	const ordinal = armed.arming.candidates;
	const places = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (bits >>> bit) & 1);
	const bit = places[host.draw(armed, ordinal, "bit", places.length)]!;
	const wrong = ((mask ?? 1 << bit) & bits) >>> 0;
	const name = csr === "sstatus" ? "mstatus" : csr;
	const before = state[name];
	const after = (before ^ wrong) >>> 0;
	if (!host.acts(armed, `${csr} mask ${hex(wrong)}`, change(before, after))) return;
	state[name] = after;
	mmu.updateContext();
}
