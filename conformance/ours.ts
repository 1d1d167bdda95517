/** Our side of the comparison: runs a stream step by step, and takes notes for allowances.ts. */

import type { HartObserver } from "../machine/bare-run.ts";
import { Decoder } from "../machine/decode.ts";
import type { Engine } from "../machine/engine.ts";
import { WordHash } from "../machine/hash.ts";
import { Machine } from "../machine/machine.ts";
import { RAM_BASE } from "../machine/memory.ts";
import {
	type Fixup,
	fixupOf,
	mustStop,
	type StepNote,
	tablesChanged,
	unfenced,
} from "./allowances.ts";
import { csrsOf } from "./generator.ts";
import { RAM_SIZE } from "./layout.ts";
import { type ArchState, COMPARED_CSRS } from "./state.ts";
import { addressOf, IMAGE_SIZE, imageOf, type Stream } from "./stream.ts";
import { walk } from "./walk.ts";

/** The effects of one step. */
export interface Step {
	/** Address and word of the instruction; the word is -1 if none was fetched. */
	readonly pc: number;
	readonly word: number;
	/** x0..x31 and pc after the step. */
	readonly after: Int32Array;
	/** The exception that it raised, or -1. */
	readonly cause: number;
	/** The interrupt that was taken before it, or -1. */
	readonly irq: number;
	readonly fixup: Fixup | null;
}

export const newMachine = (engine: Engine = "auto"): Machine =>
	new Machine({ ramSize: RAM_SIZE, pmpEntries: 16, walkCycles: 0, engine });

export class OurSide implements HartObserver {
	readonly machine = newMachine();
	readonly #note: StepNote = {
		pc: 0,
		word: 0,
		decoder: new Decoder(),
		address: 0,
		priv: 0,
		mstatus: 0,
		satp: 0,
		reservation: -1,
		cause: -1,
		tval: 0,
		irq: -1,
		ready: 0,
		tablesChanged: false,
		unfenced: [],
		device: false,
	};

	constructor() {
		this.machine.hart.observer = this;
		// Not a device: it detects accesses to where QEMU has devices; see allowances.ts.
		this.machine.bus.attach(0x1000, RAM_BASE - 0x1000, {
			load: () => this.#device(),
			store: () => this.#device() === 0,
		});
	}

	#device(): number {
		this.#note.device = true;
		return 0;
	}

	exception(cause: number, tval: number): void {
		this.#note.cause = cause;
		this.#note.tval = tval;
	}

	interrupt(irq: number): void {
		this.#note.irq = irq;
	}

	waits(): void {}

	/** Put the machine in the stream's initial state. */
	load(stream: Stream): void {
		this.#note.tablesChanged = false;
		this.#note.unfenced = [];
		loadInto(this.machine, stream);
	}

	/** Run the stream to its end. => the steps on which the two machines must agree */
	run(stream: Stream): Step[] {
		this.load(stream);
		const end = addressOf(stream, stream.items.length);
		const steps: Step[] = [];
		while (steps.length < stream.steps && this.machine.hart.pc !== end) {
			const step = this.step();
			if (step === null) {
				// Go back to the state before the last step.
				this.load(stream);
				for (let i = 0; i < steps.length; i++) this.machine.runBare(1);
				break;
			}
			steps.push(step);
		}
		return steps;
	}

	/** => null if the two machines need not agree on it. */
	step(): Step | null {
		const { machine } = this;
		const { hart } = machine;
		const note = this.#note;
		note.pc = hart.pc;
		note.priv = hart.state.priv;
		note.mstatus = hart.state.mstatus;
		note.satp = hart.state.satp;
		note.reservation = hart.state.reservation;
		note.cause = note.irq = -1;
		note.device = false;
		const irq = hart.traps.pending();
		if (irq >= 0) {
			const { mideleg, mie } = hart.state;
			const sameLevel = ((mideleg >>> irq) & 1) !== 0 ? mideleg : ~mideleg;
			note.ready = hart.traps.mip & mie & sameLevel;
		}
		note.word = irq >= 0 ? -1 : fetch(machine, note.pc);
		if (note.word >= 0) note.decoder.decode(note.word);
		note.address = hart.x[note.decoder.rs1]! + note.decoder.imm;
		if (note.word >= 0 && (note.word & 3) !== 3) note.word &= 0xffff;
		machine.runBare(1);
		if (mustStop(machine, note)) return null;
		note.tablesChanged = tablesChanged(machine, note);
		note.unfenced = unfenced(machine, note);
		const after = new Int32Array(33);
		after.set(hart.x);
		after[32] = hart.pc | 0;
		return {
			pc: note.pc,
			word: note.word,
			after,
			cause: note.cause,
			irq: note.irq,
			fixup: fixupOf(machine, note),
		};
	}

	state(): ArchState {
		return stateOf(this.machine);
	}

	get ram(): Uint8Array {
		return this.machine.memory.ram8;
	}
}

export function loadInto(machine: Machine, stream: Stream): void {
	const { hart, memory } = machine;
	memory.ram8.fill(0, IMAGE_SIZE);
	memory.ram8.set(imageOf(stream));
	machine.reset(stream.start);
	machine.clock.restore({ cycles: 0, sequence: 0, events: [] });
	hart.counters.instret = 0;
	for (const [csr, value] of csrsOf(stream)) hart.csrs.write(csr, value >>> 0);
	hart.x.set(stream.x);
	memory.f.set(stream.f);
	hart.state.priv = stream.priv;
	hart.mmu.updateContext();
}

/**
 * Run the first `steps` steps of the stream at once, through decoded code, as a program would be
 * run.
 * => a step must be a cycle, so page walks must not cost cycles.
 */
export function runWhole(machine: Machine, stream: Stream, steps: number): void {
	loadInto(machine, stream);
	machine.runBare(steps);
}

export function stateOf(machine: Machine): ArchState {
	const { hart, memory } = machine;
	return {
		pc: hart.pc,
		priv: hart.state.priv,
		x: hart.x.slice(),
		f: memory.f.slice(),
		csrs: Uint32Array.from(COMPARED_CSRS, ([, csr]) => hart.csrs.read(csr)),
	};
}

/** Nearly every stream leaves the memory after the image zero. */
const ZEROS = new Uint8Array(RAM_SIZE - IMAGE_SIZE);

/** Hash of exactly the state that is compared with QEMU; leaves out the tail of RAM if zero. */
export function hashOf(machine: Machine): string {
	const { ram8, ram32 } = machine.memory;
	const isZero = Buffer.compare(ram8.subarray(IMAGE_SIZE), ZEROS) === 0;
	const { pc, priv, x, f, csrs } = stateOf(machine);
	return new WordHash()
		.number(pc)
		.number(priv)
		.words(x)
		.words(f)
		.words(Int32Array.from(csrs))
		.words(isZero ? ram32.subarray(0, IMAGE_SIZE / 4) : ram32)
		.digest();
}

/** The instruction at `pc`; rights are not checked. => -1 if there is no memory. */
function fetch(machine: Machine, pc: number): number {
	const { priv } = machine.hart.state;
	const { pa } = walk(machine, pc, priv);
	const low = machine.dma.load16(pa);
	if (low < 0 || (low & 3) !== 3) return low;
	const high = machine.dma.load16((pc & 0xfff) === 0xffe ? walk(machine, pc + 2, priv).pa : pa + 2);
	return high < 0 ? -1 : (low | (high << 16)) >>> 0;
}
