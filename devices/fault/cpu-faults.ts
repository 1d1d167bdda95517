/**
 * Faults of the hart: registers, pc, and instructions that are skipped, fetched wrong or produce
 * something else. While a rule looks at single instructions, they are executed one by one.
 */
import {
	alterStoreAddress,
	alterStoreData,
	classOf,
	invertBranch,
	type ResultClass,
} from "../../machine/alter.ts";
import { Decoder, instructionLength } from "../../machine/decode.ts";
import type { WordHash } from "../../machine/hash.ts";
import { OP } from "../../machine/op.ts";
import { hostOffset, translateNow } from "../../machine/walk.ts";
import { WordMemo } from "../../machine/word-memo.ts";
import { csrBits, flipCsr } from "./cpu-csr.ts";
import { flippedRegister } from "./cpu-rule.ts";
import {
	type Armed,
	change,
	drawMask,
	type Family,
	type FaultHost,
	firstOf,
	hex,
	range,
	WORD_MAX,
} from "./fault-host.ts";
import type { MachineRule, RuleOf } from "./machine-rule.ts";

const STALL_MAX = 2 ** 40;
const SKIP_MAX = 1000;
/** Bytes that SB, SH and SW store. */
const WIDTHS = [1, 2, 4] as const;

interface CpuFaultsState {
	/** The rule whose fetch is still to come, or -1. */
	readonly corrupt: number;
	readonly stall: number;
}

type StuckRule = Armed & { readonly rule: RuleOf<"cpu.stuck"> };
type ResultRule = Armed & { readonly rule: RuleOf<"cpu.result"> };

const isStuck = (armed: Armed): armed is StuckRule => armed.rule.model === "cpu.stuck";
const isResult = (armed: Armed): armed is ResultRule => armed.rule.model === "cpu.result";
/** Is the result one that is altered when the instruction has retired? */
const isOfRegister = ({ rule: { params } }: ResultRule): boolean =>
	params.class === undefined || params.class === "alu" || params.class === "load";

export class CpuFaults implements Family {
	/** Cycles for which the hart is to do nothing. */
	stall = 0;
	/** Is the next instruction of interest? As of `between`. */
	alone = false;
	readonly #host: FaultHost;
	readonly #decoder = new Decoder();
	/** What words stand for: bits 7 to 0 op, the others rd. */
	readonly #kinds = new WordMemo(1);
	/** Rules that look at single instructions: both kinds, in their order, and each. */
	#rules: readonly Armed[] = [];
	#stuck: readonly StuckRule[] = [];
	#results: readonly ResultRule[] = [];
	#all: readonly Armed[] = [];
	#corrupt: Armed | null = null;
	/** Of the instruction that is fetched: the bits that come out wrong, and what was right. */
	#mask = 0;
	#right = 0;
	/** Rules for the result of the present instruction, which is altered when it has retired. */
	readonly #pending: ResultRule[] = [];
	#pendings = 0;
	#register = 0;
	#instret = 0;
	#pc = 0;
	/** Are there rules that decide before the instruction is executed? */
	#decidesBefore = false;
	/** The step for which they did so last, and what of it acts. */
	#step = -1;
	#acting: { readonly armed: Armed; readonly ordinal: number }[] = [];

	constructor(host: FaultHost) {
		this.#host = host;
	}

	check(rule: MachineRule): string {
		switch (rule.model) {
			case "cpu.register":
				return firstOf(
					range("register", rule.params.register, 1, 31),
					range("mask", rule.params.mask, 1, WORD_MAX),
				);
			case "cpu.stuck":
				return firstOf(
					range("register", rule.params.register, 1, 31),
					range("bit", rule.params.bit, 0, 31),
				);
			case "cpu.csr": {
				const { csr, mask } = rule.params;
				const none = mask !== undefined && (mask & csrBits(csr)) === 0;
				return firstOf(range("mask", mask, 1, WORD_MAX), none ? `mask ${mask}: no bit of it` : "");
			}
			case "cpu.pc": {
				const { mask = 2 } = rule.params;
				const works = range("", mask, 2, WORD_MAX) === "" && mask % 2 === 0;
				return works ? "" : `mask ${mask}: must be 2 to ${WORD_MAX - 1}, and even`;
			}
			case "cpu.skip":
				return range("count", rule.params.count, 1, SKIP_MAX);
			case "cpu.corrupt":
				return range("mask", rule.params.mask, 1, WORD_MAX);
			case "cpu.result": {
				const { class: of, mask } = rule.params;
				if (of === "branch" && mask !== undefined) return "mask: not with class branch";
				return range("mask", mask, 1, WORD_MAX);
			}
			case "cpu.stall":
				return range("cycles", rule.params.cycles, 1, STALL_MAX);
			default:
				return "";
		}
	}

	connect(rules: readonly Armed[]): void {
		this.#all = rules;
		this.#rules = rules.filter((armed) => isStuck(armed) || isResult(armed));
		this.#stuck = rules.filter(isStuck);
		this.#results = rules.filter(isResult);
		this.#decidesBefore = this.#results.some((armed) => !isOfRegister(armed));
		if (this.#corrupt !== null && !rules.includes(this.#corrupt)) this.#corrupt = null;
	}

	strike(armed: Armed): boolean {
		const { hart } = this.#host.machine;
		const { rule, arming } = armed;
		const ordinal = arming.candidates;
		const choose = (field: string, n: number) => this.#host.draw(armed, ordinal, field, n);
		switch (rule.model) {
			case "cpu.register": {
				const { register, mask } = flippedRegister(rule.params, choose);
				const before = hart.x[register]!;
				const target = `x${register} mask ${hex(mask)}`;
				if (this.#host.acts(armed, target, change(before, before ^ mask))) {
					hart.x[register] = before ^ mask;
				}
				return true;
			}
			case "cpu.pc": {
				const mask = rule.params.mask ?? 2 << choose("bit", 20);
				const before = hart.pc;
				if (this.#host.acts(armed, `pc mask ${hex(mask)}`, change(before, before ^ mask))) {
					hart.pc = (before ^ mask) >>> 0;
				}
				return true;
			}
			case "cpu.csr":
				flipCsr(this.#host, armed, rule.params);
				return true;
			case "cpu.skip":
				return this.#skip(armed, rule);
			case "cpu.corrupt":
				this.#corrupt = armed;
				return true;
			case "cpu.stall":
				if (this.#host.acts(armed, "hart", `stalled for ${rule.params.cycles} cycles`)) {
					this.stall += rule.params.cycles;
				}
				return true;
			default:
				return true;
		}
	}

	get waits(): boolean {
		return this.stall > 0 || this.#isLooking();
	}

	between(): number {
		this.alone = this.#isLooking();
		if ((this.alone || this.stall > 0) && this.#stick()) this.alone = this.#isLooking();
		return Number.POSITIVE_INFINITY;
	}

	/** Does a rule look at the next instruction? */
	#isLooking(): boolean {
		if (this.#corrupt !== null) return true;
		const rules = this.#rules;
		for (let i = 0; i < rules.length; i++) {
			const { arming } = rules[i]!;
			if (!arming.spent(this.#host.now) && !arming.isClosed) return true;
		}
		return false;
	}

	fetched(half: number, which: 0 | 1): number {
		const armed = this.#corrupt;
		if (armed === null) return half;
		if (which === 0) {
			const bits = 8 * instructionLength(half);
			const { mask } = (armed.rule as RuleOf<"cpu.corrupt">).params;
			const ordinal = armed.arming.candidates;
			this.#mask =
				mask ?? drawMask(1, bits, (field, n) => this.#host.draw(armed, ordinal, field, n));
			this.#right = half;
			return half ^ (this.#mask & 0xffff);
		}
		this.#right |= half << 16;
		return half ^ (this.#mask >>> 16);
	}

	decoded(word: number): void {
		const armed = this.#corrupt;
		if (armed !== null) {
			this.#corrupt = null;
			const target = `fetch at ${hex(this.#host.machine.hart.pc)} mask ${hex(this.#mask)}`;
			this.#host.acts(armed, target, change(this.#right, word));
		}
		this.#pendings = 0;
		const results = this.#results;
		if (results.length > 0) {
			const kind = this.#kindOf(word);
			const of = classOf(kind & 0xff);
			for (let i = 0; i < results.length; i++) this.#produce(results[i]!, of, kind);
			if (this.#decidesBefore) this.#step = this.#host.machine.hart.steps;
		}
	}

	executed(): void {
		if (this.#acting.length > 0 && this.#host.machine.hart.steps !== this.#step) this.#acting = [];
		if (this.#pendings > 0) this.#alterResult();
		this.#stick();
	}

	/** The present instruction may have retired. */
	#alterResult(): void {
		const { counters, x } = this.#host.machine.hart;
		const pending = this.#pending;
		const register = this.#register;
		for (let i = 0; i < this.#pendings && counters.instret !== this.#instret; i++) {
			const armed = pending[i]!;
			const ordinal = this.#host.decides(armed);
			if (ordinal < 0) continue;
			const mask = this.#maskOf(armed, ordinal, 32);
			const before = x[register]!;
			x[register] = before ^ mask;
			const target = `x${register} of the instruction at ${hex(this.#pc)}, mask ${hex(mask)}`;
			this.#host.note(armed, ordinal, target, change(before, before ^ mask));
		}
		this.#pendings = 0;
	}

	stalled(cycles: number): void {
		this.stall -= cycles;
	}

	save(): CpuFaultsState {
		return { corrupt: this.#corrupt?.number ?? -1, stall: this.stall };
	}

	restore(state: unknown): void {
		const { corrupt = -1, stall = 0 } = (state as CpuFaultsState | undefined) ?? {};
		this.#corrupt = this.#all.find(({ number }) => number === corrupt) ?? null;
		this.stall = stall;
		this.#step = -1;
		this.#acting = [];
	}

	hashInto(hash: WordHash): void {
		if (this.stall > 0) hash.number(this.stall);
		if (this.#corrupt !== null) hash.number(this.#corrupt.number);
	}

	#kindOf(word: number): number {
		const kinds = this.#kinds;
		const at = kinds.find(word);
		if (at >= 0) return kinds.values[at]!;
		this.#decoder.decode(word);
		const { op, rd } = this.#decoder;
		const kind = op | (rd << 8);
		kinds.values[kinds.put(word)] = kind;
		return kind;
	}

	#maskOf(armed: ResultRule, ordinal: number, bits: number): number {
		const { mask } = armed.rule.params;
		return mask ?? drawMask(1, bits, (field, n) => this.#host.draw(armed, ordinal, field, n));
	}

	/** Registers with a bit that is stuck. => whether there was a candidate */
	#stick(): boolean {
		const stuck = this.#stuck;
		if (stuck.length === 0) return false;
		const { x } = this.#host.machine.hart;
		let met = false;
		for (let i = 0; i < stuck.length; i++) {
			const armed = stuck[i]!;
			const { register, bit, value = 0 } = armed.rule.params;
			const before = x[register]!;
			if (((before >>> bit) & 1) === value) continue;
			met = true;
			const ordinal = this.#host.decides(armed);
			if (ordinal < 0) continue;
			const after = before ^ (1 << bit);
			this.#host.note(armed, ordinal, `x${register} bit ${bit}`, change(before, after));
			x[register] = after;
		}
		return met;
	}

	#skip(armed: Armed, { params: { count = 1 } }: RuleOf<"cpu.skip">): boolean {
		const { hart, memory } = this.#host.machine;
		const from = hart.pc;
		let pc = from;
		for (let i = 0; i < count; i++) {
			const pa = translateNow(hart, pc);
			const host = pa < 0 ? -1 : hostOffset(memory, pa, 2);
			// Not until it can be fetched.
			if (host < 0) return false;
			pc = (pc + instructionLength(memory.u16[host >> 1]!)) >>> 0;
		}
		if (this.#host.acts(armed, `pc ${hex(from)}`, `skipped to ${hex(pc)}`)) hart.pc = pc;
		return true;
	}

	/** The present instruction is one of class `of`: what a rule makes of it. */
	#produce(armed: ResultRule, of: ResultClass, kind: number): void {
		if (armed.arming.spent(this.#host.now)) return;
		const { class: wanted = "alu" } = armed.rule.params;
		const { hart, memory } = this.#host.machine;
		const { pc } = hart;
		if (wanted === "alu" || wanted === "load") {
			const rd = kind >>> 8;
			if (of !== wanted || rd === 0) return;
			this.#register = rd;
			this.#instret = hart.counters.instret;
			this.#pc = pc;
			this.#pending[this.#pendings++] = armed;
			return;
		}
		if (of !== (wanted === "branch" ? "branch" : "store")) return;
		const ordinal = this.#decideOnce(armed);
		if (ordinal < 0) return;
		const name = `${wanted} of the instruction at ${hex(pc)}`;
		if (wanted === "branch") {
			invertBranch(memory);
			this.#host.note(armed, ordinal, name, "inverted");
			return;
		}
		const isData = wanted === "store-data";
		const mask = this.#maskOf(armed, ordinal, isData ? 8 * WIDTHS[(kind & 0xff) - OP.SB]! : 32);
		if (isData) alterStoreData(memory, mask);
		else alterStoreAddress(memory, mask);
		this.#host.note(armed, ordinal, name, `mask ${hex(mask)}`);
	}

	/** As `decides`; the same again for an instruction that a debugger has put off. */
	#decideOnce(armed: Armed): number {
		if (this.#host.machine.hart.steps === this.#step) {
			return this.#acting.find((entry) => entry.armed === armed)?.ordinal ?? -1;
		}
		const ordinal = this.#host.decides(armed);
		if (ordinal >= 0) this.#acting.push({ armed, ordinal });
		return ordinal;
	}
}
