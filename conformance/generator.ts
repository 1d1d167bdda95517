/** Generates streams. A mode and a seed give the same stream on every host. */
import { CSR } from "../machine/csr-numbers.ts";
import { Prng } from "../machine/prng.ts";
import * as item from "./items.ts";
import { CODE, DATA, DATA_PAGES, HANDLER_M, HANDLER_S, OTHER_ROOT, PAGE, ROOT } from "./layout.ts";
import { float, integer } from "./operands.ts";
import { pageTables, virtualAddress } from "./page-tables.ts";
import { CLOSED, OPEN, REGION_BORDERS, regions } from "./protection.ts";
import { addressOf, type Item, lengthOfItem, type Stream } from "./stream.ts";

interface Mode {
	/** Kinds of items, each with its weight. */
	readonly kinds: readonly (readonly [item.ItemKind, number])[];
	/** Privilege modes in which the stream may begin. */
	readonly privileges: readonly (0 | 1 | 3)[];
	readonly paging: boolean;
	readonly protection: boolean;
}

const INTEGER: Mode["kinds"] = [
	[item.arithmetic, 16],
	[item.branch, 3],
	[item.registerJump, 1],
];
const MEMORY: Mode["kinds"] = [
	[item.memoryAccess, 12],
	[item.atomic, 4],
	[item.arithmetic, 4],
	[item.branch, 1],
	[item.selfModification, 1],
	[item.floatAccess, 4],
];
const FLOAT: Mode["kinds"] = [
	[item.floating, 20],
	[item.floatControl, 5],
	[item.signedZeros, 1],
	[item.floatAccess, 2],
	[item.arithmetic, 1],
];
const PRIVILEGED: Mode["kinds"] = [
	[item.csr, 6],
	[item.csrRoundTrip, 4],
	[item.status, 3],
	[item.interrupt, 3],
	[item.call, 3],
	[item.modeReturn, 3],
	[item.system, 2],
	[item.illegal, 4],
	[item.arithmetic, 3],
];
const PAGING: Mode["kinds"] = [
	[item.translated, 8],
	[item.memoryAccess, 6],
	[item.atomic, 3],
	[item.floatAccess, 1],
	[item.pageTableChange, 3],
	[item.addressSpace, 1],
	[item.status, 3],
	[item.call, 2],
	[item.modeReturn, 2],
	[item.arithmetic, 2],
	[item.registerJump, 1],
];
const PROTECTION: Mode["kinds"] = [
	[item.memoryAccess, 10],
	[item.atomic, 3],
	[item.floatAccess, 2],
	[item.protection, 3],
	[item.status, 2],
	[item.call, 2],
	[item.modeReturn, 2],
	[item.arithmetic, 2],
];

const ANY = [0, 1, 3] as const;

export const MODES: Readonly<Record<string, Mode>> = {
	integer: { kinds: INTEGER, privileges: ANY, paging: false, protection: false },
	memory: { kinds: MEMORY, privileges: ANY, paging: false, protection: false },
	float: { kinds: FLOAT, privileges: ANY, paging: false, protection: false },
	privileged: { kinds: PRIVILEGED, privileges: [0, 1, 3, 3], paging: false, protection: false },
	paging: { kinds: PAGING, privileges: [0, 1, 1, 3], paging: true, protection: false },
	protection: { kinds: PROTECTION, privileges: [0, 1, 3], paging: false, protection: true },
	mixed: {
		kinds: [INTEGER, MEMORY, FLOAT, PRIVILEGED, PAGING, PROTECTION].flat(),
		privileges: ANY,
		paging: true,
		protection: true,
	},
};

const ITEMS = 40;
const STEPS_MAX = 160;

function choose(random: Prng, kinds: Mode["kinds"]): item.ItemKind {
	let rest = random.below(kinds.reduce((sum, [, weight]) => sum + weight, 0));
	for (const [kind, weight] of kinds) {
		if (rest < weight) return kind;
		rest -= weight;
	}
	throw new Error("unreachable");
}

/** FS: mostly Dirty, sometimes another state. */
const floatState = (random: Prng): number =>
	[0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3][random.below(12)]! << 13;

function initialCsrs(random: Prng, mode: Mode, translated: boolean): Stream["csrs"] {
	const some = (mask: number): number => (random.uint32() & mask) >>> 0;
	const satp = ((random.chance(1, 2) ? ROOT : OTHER_ROOT) >>> 12) | (random.below(4) << 22);
	const mpp = [0, 0x800, 0x1800][random.below(3)]!;
	const mprv = random.chance(1, 4) ? 0x2_0000 : 0;
	// TVM, TW, TSR.
	const traps = random.chance(1, 4) ? some(0x70_0000) : 0;
	const interrupts = random.chance(1, 4) && mode.kinds.some(([kind]) => kind === item.interrupt);
	return [
		[CSR.menvcfgh, 0],
		[CSR.menvcfg, 0],
		[CSR.stimecmp, 0xffff_ffff],
		[CSR.stimecmph, 0xffff_ffff],
		[CSR.mcountinhibit, 0],
		...CLOSED,
		...(mode.protection ? regions(random, random.chance(1, 8)) : []),
		...OPEN,
		[CSR.satp, translated ? (0x8000_0000 | satp) >>> 0 : 0],
		[CSR.medeleg, random.chance(1, 3) ? 0 : some(0xb0ff)],
		[CSR.mideleg, random.chance(1, 2) ? 0 : some(0x222)],
		[CSR.mtvec, HANDLER_M],
		[CSR.stvec, HANDLER_S],
		[CSR.mcounteren, some(7)],
		[CSR.scounteren, some(7)],
		[CSR.senvcfg, 0],
		[CSR.mepc, CODE],
		[CSR.sepc, CODE],
		[CSR.mcause, some(15)],
		[CSR.scause, some(15)],
		[CSR.mtval, some(~0)],
		[CSR.stval, some(~0)],
		[CSR.fcsr, random.below(256)],
		[CSR.mstatus, some(0xc_01aa) | traps | floatState(random) | mpp | (mode.paging ? mprv : 0)],
		[CSR.mip, interrupts ? some(0x222) : 0],
		[CSR.mie, interrupts ? some(0xaaa) : 0],
	];
}

function initialRegisters(random: Prng, paging: boolean, protection: boolean): number[] {
	const x = Array.from({ length: 32 }, () => integer(random));
	x[0] = 0;
	for (const pointer of item.POINTERS) {
		// Keep away from the end, so that small offsets stay in the data pages.
		const end = DATA + (1 + random.below(DATA_PAGES - 1)) * PAGE;
		const near = random.chance(1, 2) ? end - 1 - random.below(8) : end - random.below(PAGE / 2);
		const border = REGION_BORDERS[random.below(REGION_BORDERS.length)]! + random.below(17) - 8;
		const physical = protection && random.chance(3, 4) ? border : near;
		x[pointer] = paging && random.chance(2, 3) ? virtualAddress(random) : physical;
	}
	for (const pointer of item.ALIGNED_POINTERS) x[pointer]! &= ~3;
	return x.map((value) => value | 0);
}

/** Most jumps lead to the beginning of a nearby item. */
function makeItems(random: Prng, kinds: Mode["kinds"]): Item[] {
	const chosen = Array.from({ length: ITEMS }, () => {
		const kind = choose(random, kinds);
		return { kind, words: kind(random) };
	});
	const ends: number[] = [];
	for (const item of chosen) ends.push((ends.at(-1) ?? 0) + lengthOfItem(item));
	return chosen.map(({ kind, words }, i) => {
		const jumps = kind === item.branch || kind === item.registerJump;
		if (!jumps || random.chance(1, 12)) return { words };
		const to = i + (random.chance(1, 10) ? -random.below(4) : 1 + random.below(5));
		const begin = (index: number): number => (index <= 0 ? 0 : ends[Math.min(index, ITEMS) - 1]!);
		return { words: item.aim(words, begin(to) - begin(i)) };
	});
}

/** => `mode` is a key of MODES; `seed` an integer from 0 to 2^32 - 1. */
export function generate(mode: string, seed: number): Stream {
	const parameters = MODES[mode];
	if (parameters === undefined) throw new RangeError(`no mode ${mode}`);
	const index = Object.keys(MODES).indexOf(mode);
	const random = new Prng(index * 2 ** 32 + seed);
	const priv = item.pick(random, parameters.privileges);
	const paging = parameters.paging && random.chance(9, 10);
	// Near the end of a page, so that the stream crosses it.
	const start = CODE + PAGE - 2 * random.below(80);
	const items = makeItems(random, parameters.kinds);
	const f = Array.from({ length: 32 }, () => float(random)).flat();
	const stream: Stream = {
		mode,
		seed,
		start,
		items,
		landing: random.below(ITEMS),
		priv,
		x: initialRegisters(random, paging, parameters.protection),
		f: f.map((word) => word | 0),
		csrs: initialCsrs(random, parameters, paging),
		memory: paging ? pageTables(random, priv === 0) : [],
		steps: STEPS_MAX,
	};
	return stream;
}

/** All CSR writes: those of the stream, and the landing address for the handlers. */
export function csrsOf(stream: Stream): readonly (readonly [number, number])[] {
	const landing = addressOf(stream, Math.min(stream.landing, stream.items.length));
	return [...stream.csrs, [CSR.mscratch, landing], [CSR.sscratch, landing]];
}
