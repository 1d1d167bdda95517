/** The value of --swap. */
import { InvalidArgumentError } from "commander";
import type { DiskOptions, TimingName } from "../index.ts";
import { TIMINGS } from "./options.ts";
import { parseSize } from "./size.ts";

/** Collects swap disks: sizes, each with an optional timing. */
export function swapOption(text: string, all: DiskOptions[]): DiskOptions[] {
	const [size = "", timing = "ssd", ...rest] = text.split(",");
	const media = parseSize(size);
	if (media === null || rest.length > 0 || !TIMINGS.includes(timing)) {
		throw new InvalidArgumentError(
			"Swap is a size with an optional timing, such as 32M or 32M,hdd.",
		);
	}
	return [...all, { media, timing: timing as TimingName }];
}
