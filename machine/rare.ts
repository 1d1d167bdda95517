/**
 * Instructions outside the interpreter's loop: accesses and atomics that miss the mirror tables,
 * floating point, system instructions, illegal instructions, slots not yet decoded. An instruction
 * is executed completely or not at all.
 */

import type { Width } from "./bus.ts";
import type { CodeCache } from "./code-cache.ts";
import type { DataAccess } from "./data-access.ts";
import { FLOAT_ILLEGAL, FLOAT_NEXT, type FloatUnit } from "./float/unit.ts";
import type { HartParts } from "./hart-parts.ts";
import { type HartState, LEAVE_DEBUG, MSTATUS_FS } from "./hart-state.ts";
import {
	CODE,
	CODE_MAP,
	H_BASE,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_FIRST,
	H_IP,
	H_LEFT,
	H_PC,
	H_PC_BASE,
	H_SINK,
	H_STALL,
	H_TABLES,
	LENGTHS,
	RAM_OFFSET,
	XT,
} from "./memory.ts";
import { OP, REGION } from "./op.ts";
import { RARE_LENGTH_SHIFT } from "./packer.ts";
import { CAUSE_ILLEGAL_INSTRUCTION, PAGE_MASK, PAGE_SHIFT } from "./port.ts";
import { bitResult } from "./results.ts";
import {
	SYSTEM_ENTER,
	SYSTEM_JUMP,
	SYSTEM_TRAP,
	type SystemInstructions,
} from "./system-instructions.ts";
import type { Traps } from "./trap.ts";

// Returned by an engine; pc and the cycles left are then in the hart block.
/** The budget is used up. */
export const STOP_BUDGET = -1;
/** The instruction at pc must be executed alone: few cycles are left, or it crosses a page. */
export const STOP_ALONE = -2;
/** The page of pc must be looked up or decoded. */
export const STOP_ENTER = -3;
/** The instruction at pc has met an exception, which HartState notes. */
export const STOP_TRAP = -4;
/** The machine's state has changed in a way that concerns the engine. */
export const STOP_LEAVE = -5;
/** The instruction at H_IP is for `RareInstructions`; returned by that: it is done, go on. */
export const STOP_RARE = -6;
/** Before the instruction at pc: a debugger has stopped the hart (debug.ts). */
export const STOP_DEBUG = -7;
/** The first instruction of an exception's handler has met the exception, and will again. */
export const STOP_STUCK = -8;
/** There is nothing to execute: references.ts. */
export const STOP_STARVED = -9;

/** Compiled code was left, and CompiledCode is to see to that: returned by an emitted loop. */
export const STOP_COMPILED = -9;

/** Code that was compiled; see jit/jit.ts. */
export interface CompiledCode {
	/** Run it from pc. => as RareInstructions.execute */
	enter(): number;
	/** It has returned what is in H_PC. => as RareInstructions.execute */
	left(): number;
	/** Leave the interpreter a part of the cycles that it was given. */
	begin(): void;
	/**
	 * The interpreter has used its part (STOP_BUDGET), or the next straight line is longer than what
	 * is left (STOP_ALONE). => true: it has another one, and enters the page of pc
	 */
	more(stop: number): boolean;
	/** Give back what is left of the cycles. */
	end(): void;
}

export class RareInstructions {
	/** null: the interpreter executes everything. */
	compiled: CompiledCode | null = null;
	readonly #state: HartState;
	readonly #words: Int32Array;
	readonly #lengths: Uint16Array;
	readonly #data: DataAccess;
	readonly #system: SystemInstructions;
	readonly #float: FloatUnit;
	readonly #code: CodeCache;
	readonly #traps: Traps;

	constructor({
		state,
		memory,
		data,
		system,
		float,
		code,
		traps,
	}: Pick<HartParts, "state" | "memory" | "data" | "system" | "float" | "code" | "traps">) {
		this.#state = state;
		this.#words = memory.i32;
		this.#lengths = memory.u16;
		this.#data = data;
		this.#system = system;
		this.#float = float;
		this.#code = code;
		this.#traps = traps;
	}

	/**
	 * Execute the instruction at H_IP, and those behind it that are for this, too.
	 *
	 * => STOP_RARE: go on at H_IP with H_BASE; else any STOP_*, with pc and H_LEFT set.
	 */
	execute(): number {
		const words = this.#words;
		for (;;) {
			const stop = this.#execute();
			if (stop !== STOP_RARE || (words[words[H_IP]!]! & 0xff) < OP.STRADDLE) return stop;
		}
	}

	/** Execute one of them, or some of the floating-point unit, or compiled code. */
	#execute(): number {
		const words = this.#words;
		let ip = words[H_IP]!;
		let op = words[ip]! & 0xff;
		let floating = FLOAT_NEXT;
		if (op === REGION) {
			if (this.compiled !== null) {
				words[H_PC] = ip + words[H_PC_BASE]!;
				words[H_LEFT] = words[H_BASE]! + this.#lengths[LENGTHS + ((ip - CODE) >> 1)]!;
				return this.compiled.enter();
			}
			words[ip] = OP.UNDECODED;
			op = OP.UNDECODED;
		}
		if (op >= OP.FLW) {
			floating = this.#float.run();
			if (floating === FLOAT_NEXT) return STOP_RARE;
			ip = words[H_IP]!;
			op = words[ip]! & 0xff;
		}
		if (op === OP.UNDECODED) {
			const left = words[H_BASE]! + this.#lengths[LENGTHS + ((ip - CODE) >> 1)]!;
			if (!this.#code.decode(ip)) return STOP_RARE;
			words[H_PC] = ip + words[H_PC_BASE]!;
			words[H_LEFT] = left;
			return STOP_ENTER;
		}
		words[H_PC] = ip + words[H_PC_BASE]!;
		words[H_LEFT] = words[H_BASE]! + this.#lengths[LENGTHS + ((ip - CODE) >> 1)]!;
		if (op >= OP.FLW) {
			if (floating === FLOAT_ILLEGAL) return this.#illegal(this.#code.wordAt(ip));
			const short = op === OP.C_FLW || op === OP.C_FLD || op === OP.C_FSW || op === OP.C_FSD;
			return this.#finish(this.#floatAccess(ip, op), short ? 2 : 4);
		}
		if (op < OP.LR) return this.#finish(this.#memoryAccess(ip, op), lengthOfAccess(op));
		if (op <= OP.AMO) return this.#finish(this.#atomic(ip, op), 4);
		const length = op === OP.CSR ? 4 : (words[ip]! >>> RARE_LENGTH_SHIFT) & 7;
		if (op === OP.STRADDLE) return STOP_ALONE;
		if (op === OP.BITS) return this.#finish(this.#bits(words[ip + 1]!), length);
		if (op === OP.ILLEGAL) return this.#illegal(words[ip + 1]!);
		const result = this.#system.execute(op, words[ip + 1]!);
		if (result === SYSTEM_TRAP) return this.#trap();
		if (result === SYSTEM_JUMP) {
			words[H_LEFT]!--;
			// The new state may take an interrupt that waits.
			return this.#traps.pending() < 0 ? this.#goto() : STOP_LEAVE;
		}
		const stop = this.#finish(true, length);
		if (result !== SYSTEM_ENTER || stop !== STOP_RARE) return stop;
		words[H_PC]! += length;
		words[H_LEFT]!--;
		if (words[H_FETCH_PAGE] === 1) return this.#goto();
		return words[H_LEFT]! > 0 ? STOP_ENTER : STOP_BUDGET;
	}

	#illegal(w: number): number {
		this.#state.raise(CAUSE_ILLEGAL_INSTRUCTION, w);
		return this.#trap();
	}

	/** Account for an instruction that was done, or has met an exception. => as `execute` */
	#finish(done: boolean, length: number): number {
		if (!done) return this.#trap();
		const state = this.#state;
		if (this.#data.triggers?.accessed() === true) state.leave = 1;
		const words = this.#words;
		const stall = state.stall;
		if (stall !== 0) {
			state.stall = 0;
			words[H_STALL]! += stall;
			words[H_BASE]! -= stall;
			words[H_LEFT]! -= stall;
		}
		if (state.leave !== 0) {
			state.leave = 0;
			words[H_PC]! += length;
			words[H_LEFT]!--;
			return STOP_LEAVE;
		}
		words[H_IP]! += length;
		if (words[H_BASE]! >= 0) return STOP_RARE;
		// The walk has used cycles that the straight line needs.
		words[H_PC]! += length;
		words[H_LEFT]!--;
		return words[H_LEFT]! > 0 ? STOP_ALONE : STOP_BUDGET;
	}

	/**
	 * An instruction that traps takes its cycle, but is not retired. One that a debugger does not let
	 * access memory has done nothing.
	 */
	#trap(): number {
		const state = this.#state;
		if (state.leave === LEAVE_DEBUG) {
			state.leave = 0;
			return STOP_DEBUG;
		}
		this.#data.triggers?.refused();
		const used = state.stall + 1;
		state.stall = 0;
		state.leave = 0;
		this.#words[H_STALL]! += used;
		this.#words[H_LEFT]! -= used;
		const traps = this.#traps;
		if (!traps.isQuick()) return STOP_TRAP;
		return traps.enterQuickly() ? STOP_STUCK : this.#goto();
	}

	/** Control goes to pc, whose page is looked up again. => as `execute` */
	#goto(): number {
		const words = this.#words;
		const left = words[H_LEFT]!;
		if (left <= 0) return STOP_BUDGET;
		const pc = words[H_PC]!;
		const host = words[words[H_TABLES]! + XT + (pc >>> PAGE_SHIFT)]!;
		if (host === 0) return STOP_ENTER;
		const first = words[CODE_MAP + ((host - RAM_OFFSET) >> PAGE_SHIFT)]!;
		if (first === 0) return STOP_ENTER;
		const ip = first + (pc & PAGE_MASK);
		const page = pc & ~PAGE_MASK;
		words[H_FETCH_PAGE] = page;
		words[H_FETCH_HOST] = host;
		words[H_FIRST] = first;
		words[H_IP] = ip;
		words[H_PC_BASE] = page - first;
		words[H_BASE] = left - this.#lengths[LENGTHS + ((ip - CODE) >> 1)]!;
		return words[H_BASE]! < 0 ? STOP_ALONE : STOP_RARE;
	}

	#memoryAccess(ip: number, op: number): boolean {
		const words = this.#words;
		const w = words[ip]!;
		const va = (words[(w >>> 16) & 0xff]! + words[ip + 1]!) | 0;
		const data = this.#data;
		const rd = (w >>> 8) & 0xff;
		switch (op) {
			case OP.LB:
				return data.load(va, 1) && this.#write(rd, (data.value << 24) >> 24);
			case OP.LH:
				return data.load(va, 2) && this.#write(rd, (data.value << 16) >> 16);
			case OP.LW:
			case OP.C_LW:
				return data.load(va, 4) && this.#write(rd, data.value);
			case OP.LBU:
				return data.load(va, 1) && this.#write(rd, data.value);
			case OP.LHU:
				return data.load(va, 2) && this.#write(rd, data.value);
			default: {
				const width: Width = op === OP.SB ? 1 : op === OP.SH ? 2 : 4;
				return data.store(va, width, words[w >>> 24]!);
			}
		}
	}

	/** A load or store of an f register; FS is not Off. */
	#floatAccess(ip: number, op: number): boolean {
		const words = this.#words;
		const w = words[ip]!;
		const va = (words[(w >>> 16) & 0xff]! + words[ip + 1]!) | 0;
		const data = this.#data;
		const rs2 = w >>> 24;
		if (op === OP.FSW || op === OP.C_FSW) return data.store(va, 4, words[rs2]!);
		if (op === OP.FSD || op === OP.C_FSD) {
			return data.storeDouble(va, words[rs2]!, words[rs2 + 1]!);
		}
		const double = op === OP.FLD || op === OP.C_FLD;
		if (!(double ? data.loadDouble(va) : data.load(va, 4))) return false;
		const rd = (w >>> 8) & 0xff;
		words[rd] = data.value;
		words[rd + 1] = double ? data.valueHigh : -1;
		this.#state.mstatus |= MSTATUS_FS;
		return true;
	}

	#atomic(ip: number, op: number): boolean {
		const words = this.#words;
		const w = words[ip]!;
		const va = words[(w >>> 16) & 0xff]!;
		const operand = words[w >>> 24]!;
		const data = this.#data;
		const done =
			op === OP.LR
				? data.loadReserved(va)
				: op === OP.SC
					? data.storeConditional(va, operand)
					: data.atomic(va, words[ip + 1]!, operand);
		return done && this.#write((w >>> 8) & 0xff, data.value);
	}

	#bits(w: number): boolean {
		const words = this.#words;
		const rd = (w >>> 7) & 31;
		const result = bitResult(w, words[(w >>> 15) & 31]!, words[(w >>> 20) & 31]!);
		return this.#write(rd === 0 ? H_SINK : rd, result);
	}

	#write(rd: number, value: number): true {
		this.#words[rd] = value;
		return true;
	}
}

const lengthOfAccess = (op: number): number => (op === OP.C_LW || op === OP.C_SW ? 2 : 4);
