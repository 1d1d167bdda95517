/** Defects that are planted in the kernel are found as what they are. */
import { afterEach, expect, it, vi } from "vitest";
import { checkCampaign } from "../../campaign/campaign.ts";
import { conductCampaign, prepareCampaign } from "../../campaign/conduct.ts";
import { localExecutor } from "../../campaign/executor.ts";
import type { ResultRow } from "../../campaign/results.ts";
import type { Workload } from "../../campaign/workload.ts";
import type { buf } from "../../kernel/dev/buf.ts";
import type * as bio from "../../kernel/dev/vfs_bio.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { MiB, workload as program } from "../support/workload.ts";

const defect = vi.hoisted(() => ({ ignoresWriteErrors: false }));

vi.mock(import("../../kernel/dev/vfs_bio.ts"), async (original) => {
	const real: typeof bio = await original();
	const biodone = (k: Kernel, bp: buf): void => {
		if (defect.ignoresWriteErrors && !bp.b_read) bp.b_error = 0;
		real.biodone(k, bp);
	};
	return { ...real, biodone };
});

afterEach(() => {
	defect.ignoresWriteErrors = false;
});

const workload: Workload = {
	kind: "boot",
	options: { program: "walk", args: ["1", "2"], image: program("walk"), ram: MiB },
	swap: [{ bytes: 4 * MiB }],
};

it("the shadow finds lost writes", async () => {
	const { options } = workload;
	const watched: Workload = { ...workload, options: { ...options, shadow: true } } as Workload;
	const lost = { model: "disk.lost-write", params: { disk: "ld0" }, when: { hit: [2, 8] } };
	const rows = await outcomes([lost], watched);
	expect(rows.map(({ outcome }) => outcome)).toEqual(["sdc", "sdc"]);
	expect(rows.every(({ evidence }) => evidence.shadow.length > 0)).toBe(true);
});

async function outcomes(rules: readonly object[], of = workload): Promise<ResultRow[]> {
	const campaign = checkCampaign({ workload: { boot: "walk" }, rules });
	const prepared = prepareCampaign(campaign, of);
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
