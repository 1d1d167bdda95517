/** Defects that are planted in the kernel are found as what they are. */
import { afterEach, expect, it, vi } from "vitest";
import { checkCampaign } from "../../campaign/campaign.ts";
import { conductCampaign, prepareCampaign } from "../../campaign/conduct.ts";
import { localExecutor } from "../../campaign/executor.ts";
import type { ResultRow } from "../../campaign/results.ts";
import type { Workload } from "../../campaign/run/workload.ts";
import type { buf } from "../../kernel/dev/buf.ts";
import type * as bio from "../../kernel/dev/vfs_bio.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { PG_CLEAN, type vm_page } from "../../kernel/uvm/uvm_page.ts";
import type * as pager from "../../kernel/uvm/uvm_pager.ts";
import type { PmapHost, PmapPage } from "../../pmap/host.ts";
import type * as pmap from "../../pmap/pmap.ts";
import { MiB, workload as program } from "../support/workload.ts";

const SOUND = { ignoresWriteErrors: false, cleanTooEarly: false, forgetsFence: false };
const defect = vi.hoisted(() => ({}) as typeof SOUND);

vi.mock(import("../../kernel/dev/vfs_bio.ts"), async (original) => {
	const real: typeof bio = await original();
	const biodone = (k: Kernel, bp: buf): void => {
		if (defect.ignoresWriteErrors && !bp.b_read) bp.b_error = 0;
		real.biodone(k, bp);
	};
	return { ...real, biodone };
});

/** A page is clean when its write begins, and stays so when that fails. */
vi.mock(import("../../kernel/uvm/uvm_pager.ts"), async (original) => {
	const real: typeof pager = await original();
	const uvm_pager_pageout = (k: Kernel, pg: vm_page): void => {
		real.uvm_pager_pageout(k, pg);
		if (defect.cleanTooEarly) pg.flags |= PG_CLEAN;
	};
	return { ...real, uvm_pager_pageout };
});

/** The page daemon clears A bits, and leaves the translations in the TLB. */
vi.mock(import("../../pmap/pmap.ts"), async (original) => {
	const real: typeof pmap = await original();
	const pmap_clear_reference = (k: PmapHost, pg: PmapPage): boolean => {
		if (!defect.forgetsFence) return real.pmap_clear_reference(k, pg);
		const unfenced = vi.spyOn(k.port, "sfenceVma").mockImplementation(() => {});
		const was = real.pmap_clear_reference(k, pg);
		unfenced.mockRestore();
		return was;
	};
	return { ...real, pmap_clear_reference };
});

afterEach(() => void Object.assign(defect, SOUND));

const workload: Workload = {
	kind: "boot",
	options: { program: "walk", args: ["1", "2"], image: program("walk"), ram: MiB },
	swap: [{ bytes: 4 * MiB }],
};

it("the shadow finds lost writes", async () => {
	const watched = withOptions({ shadow: true });
	const lost = { model: "disk.lost-write", params: { disk: "ld0" }, when: { hit: [2, 3] } };
	const rows = await outcomes([lost], watched);
	expect(rows.map(({ outcome }) => outcome)).toEqual(["sdc", "sdc"]);
	expect(rows.every(({ evidence }) => evidence.shadow.length > 0)).toBe(true);
});

const withOptions = (options: object): Workload =>
	({ ...workload, options: { ...workload.options, ...options } }) as Workload;

/** `plant` puts a defect into the kernel, behind the golden run. */
async function outcomes(
	rules: readonly object[],
	of = workload,
	plant = (): void => {},
): Promise<ResultRow[]> {
	// All runs begin at the start: there is nothing that a kernel without the defect has done.
	const campaign = checkCampaign({ workload: { boot: "walk" }, rules, checkpoints: 0 });
	const prepared = prepareCampaign(campaign, of);
	plant();
	const rows: ResultRow[] = [];
	const onRow = (row: ResultRow): void => void rows.push(row);
	await conductCampaign(prepared, localExecutor(prepared.runner), { onRow });
	return rows;
}

/** Sectors that cannot be written, however often it is tried, from the nth write on. */
const failing = {
	model: "disk.bad-sector",
	params: { disk: "ld0", direction: "write" },
	when: { hit: [1, 4, 8, 12] },
	life: { count: 20 },
};

it("a kernel that ignores write errors corrupts data in silence; ours does not", async () => {
	const sound = await outcomes([failing]);
	expect(sound.filter(({ outcome }) => outcome === "sdc")).toEqual([]);
	expect(sound.every(({ evidence }) => evidence.failures["disk ld0 write"]! > 0)).toBe(true);
	defect.ignoresWriteErrors = true;
	const planted = await outcomes([failing]);
	expect(planted.filter(({ outcome }) => outcome === "sdc").length).toBeGreaterThan(1);
	expect(planted.filter(({ outcome }) => outcome === "detected-handled")).toEqual([]);
});

it("--check finds pages that are marked clean too early, and none in ours", async () => {
	const checked = withOptions({ check: true, diskRetries: 0 });
	const failed = { ...failing, when: { hit: [1, 8] } };
	const sound = await outcomes([failed], checked);
	expect(sound.map(({ outcome }) => outcome)).toEqual(["detected-handled", "detected-handled"]);
	const planted = await outcomes([failed], checked, () => {
		defect.cleanTooEarly = true;
	});
	expect(planted.map(({ outcome }) => outcome)).toEqual(["panic", "panic"]);
	const reasons = new Set(planted.map(({ evidence }) => evidence.exit.reason));
	expect([...reasons]).toEqual(["uvm_check: invariant 7: a clean page has no slot"]);
	// Without --check an assertion of the kernel notices it.
	const [row] = await outcomes([failed], withOptions({ diskRetries: 0 }), () => {
		defect.cleanTooEarly = true;
	});
	expect(row!.outcome).toBe("panic");
	expect(row!.evidence.exit.reason).toContain("clean page without a swap slot");
});

/** Harmless in itself: each run needs a fault. */
const spurious = { model: "mmu.spurious-fault", when: { hit: [5, 50] } };

it("a kernel that forgets a fence corrupts data, and --check finds it; ours does not", async () => {
	const plant = (): void => {
		defect.forgetsFence = true;
	};
	const longer = { ...workload, options: { ...workload.options, args: ["1", "6"] } } as Workload;
	const classes = async (of: Workload, planted?: () => void): Promise<string[]> => {
		const rows = await outcomes([spurious], of, planted);
		return rows.map(({ outcome, evidence }) => `${outcome} ${evidence.exit.reason}`);
	};
	expect(await classes(longer)).toEqual(["latent ", "latent "]);
	// The program finds that its data are wrong.
	expect(await classes(longer, plant)).toEqual(["detected-killed ", "detected-killed "]);
	defect.forgetsFence = false;
	const checked = { ...longer, options: { ...longer.options, check: true } } as Workload;
	expect(await classes(checked)).toEqual(["latent ", "latent "]);
	const stale = "panic uvm_check: invariant 15: the TLB holds a stale translation";
	expect(await classes(checked, plant)).toEqual([stale, stale]);
	// It needs no fault: the run that all others are compared with is refused.
	await expect(classes(checked)).rejects.toThrow(/golden run: ends with a panic: .*stale/);
});
