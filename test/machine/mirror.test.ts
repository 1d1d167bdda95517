/** What the mirror keeps of contexts that do not run; translation.test.ts has the rest. */
import { describe, expect, it } from "vitest";
import { CT, H_TABLES, Memory, RAM_OFFSET, RT, WT, XT } from "../../machine/memory.ts";
import { GUARD_DEBUG, Mirror, NOT_TRANSLATED, WATCH_STORES } from "../../machine/mirror.ts";
import { FENCE_ALL } from "../../machine/port.ts";

const VPN = 0x1_2345;
const PAGE = RAM_OFFSET + 0x3000;
const TABLES = { RT, WT, XT, CT } as const;
type Table = keyof typeof TABLES;

/** A mirror in which context 7, of address space 5, has the page, and context 8 runs. */
function away(): { mirror: Mirror; slots: () => Table[] } {
	const memory = new Memory(0x1_0000);
	const mirror = new Mirror(memory, { storing: () => {} });
	mirror.use(7, 5);
	mirror.storing(PAGE);
	for (const table of [RT, WT, XT]) mirror.fill(table, VPN, PAGE);
	mirror.use(8, 6);
	const { i32 } = memory;
	const filled = (name: Table): boolean => i32[i32[H_TABLES]! + TABLES[name] + VPN] === PAGE;
	return { mirror, slots: () => (Object.keys(TABLES) as Table[]).filter(filled) };
}

describe("slots of a context that does not run", () => {
	it("are out of the tables, and come back", () => {
		const { mirror, slots } = away();
		expect(slots()).toEqual([]);
		mirror.use(7, 5);
		expect(slots()).toEqual(["RT", "WT", "XT"]);
	});

	it.each<[string, (mirror: Mirror) => void, Table[]]>([
		["the page in its address space is fenced", (m) => m.clearPage(VPN, 5), []],
		["the page is fenced everywhere", (m) => m.clearPage(VPN, FENCE_ALL), []],
		["its superpage is fenced", (m) => m.clearSuperpage(VPN & ~0x3ff, 5), []],
		["all is cleared", (m) => m.clear(), []],
		["code of the page was decoded", (m) => m.watch(PAGE), ["RT", "XT"]],
		["somebody watches stores", (m) => m.watch(PAGE, WATCH_STORES), ["RT", "XT"]],
		["a checkpoint is taken", (m) => m.watchStores(), ["RT", "XT"]],
		["a debugger guards the page", (m) => m.guard(new Set([VPN]), GUARD_DEBUG), []],
		["the page errs", (m) => m.distrust(PAGE, true), []],
		["the page is observed", (m) => m.observe([PAGE]), []],
		["another address space is fenced", (m) => m.clearPage(VPN, 6), ["RT", "WT", "XT"]],
		["another page is fenced", (m) => m.clearPage(VPN + 1, 5), ["RT", "WT", "XT"]],
	])("when %s", (_, happens, left) => {
		const { mirror, slots } = away();
		happens(mirror);
		mirror.use(7, 5);
		expect(slots()).toEqual(left);
	});

	it("of a page with decoded code are in CT, and leave it for a watcher", () => {
		const { mirror, slots } = away();
		mirror.watch(PAGE);
		mirror.use(7, 5);
		mirror.fill(WT, VPN, PAGE);
		expect(slots()).toEqual(["RT", "XT", "CT"]);
		mirror.use(8, 6);
		mirror.watch(PAGE, WATCH_STORES);
		mirror.use(7, 5);
		expect(slots()).toEqual(["RT", "XT"]);
	});

	it("without translation survive every fence", () => {
		const { mirror, slots } = away();
		mirror.use(9, NOT_TRANSLATED);
		mirror.fill(RT, VPN, PAGE);
		mirror.use(8, 6);
		mirror.clearPage(VPN, FENCE_ALL);
		mirror.use(9, NOT_TRANSLATED);
		expect(slots()).toEqual(["RT"]);
	});

	it("are forgotten when eight others have run", () => {
		const { mirror, slots } = away();
		for (let key = 10; key < 18; key++) mirror.use(key, key);
		mirror.use(7, 5);
		expect(slots()).toEqual([]);
		mirror.use(18, 18);
		expect(slots()).toEqual([]);
	});
});
