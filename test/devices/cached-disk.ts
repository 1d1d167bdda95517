/** A disk with a volatile write cache, whose power nobody cuts unless a test does. */
import type { DiskMedia } from "../../devices/disk/disk-media.ts";
import type { PowerCut } from "../../devices/fault/disk-rule.ts";
import { FaultyDisk } from "../../devices/fault/faulty-disk.ts";

const NEVER = { hit: Number.MAX_SAFE_INTEGER };

export const cachedDisk = (medium: DiskMedia, params: Partial<PowerCut> = {}): FaultyDisk =>
	new FaultyDisk(medium, [
		{ id: "cut", model: "disk.power-cut", params: { disk: "ld0", ...params }, when: NEVER },
	]);

/** The disk's power fails, and nothing of what is pending survives. */
export const losePower = (disk: FaultyDisk): void =>
	disk.losePower({
		...{ rule: "cut", ordinal: 0, seed: 1, target: "test", what: "power" },
		params: { disk: "ld0", scope: "disk", keep: "none" },
	});
