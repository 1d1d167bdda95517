/** The fault models of clocks and timers, as plans name them. */
import * as v from "valibot";
import type { ClockModels } from "../../devices/fault/clock-rule.ts";
import { may, needs, where, whole } from "./fields.ts";
import type { Catalogue } from "./model.ts";

const NS_MAX = 2 ** 50;

const target = may(
	v.picklist(["both", "time", "mtime"]),
	"That of the hart, which the kernel of boot reads; that of the CLINT. Default: both.",
);
const timer = may(
	v.picklist(["any", "stimer", "mtimer"]),
	"That of the supervisor (Sstc), or that of the CLINT. Default: any.",
);
const lasting = may(whole(1, NS_MAX), "For so many ns. Default: for ever.");

/** A number with a fraction. */
const real = (min: number, max: number) => v.pipe(v.number(), v.minValue(min), v.maxValue(max));

export const CLOCK_MODELS: Catalogue<ClockModels> = {
	"clock.jump": {
		does: "The clock jumps.",
		candidates: null,
		params: {
			deltaNs: needs(
				v.pipe(
					whole(-NS_MAX, NS_MAX),
					v.check((n) => n !== 0, "expected a number other than 0"),
				),
				"By so many ns; negative: back, but not below 0.",
			),
			backwards: may(v.boolean(), "Must be true for a jump back."),
			target,
		},
		conditions: [
			where(
				"deltaNs",
				({ deltaNs, backwards }) => (deltaNs as number) > 0 || backwards === true,
				"back in time only with backwards: true",
			),
		],
	},
	"clock.drift": {
		does: "The clock runs too fast, or too slowly.",
		candidates: null,
		params: {
			ppm: may(
				v.pipe(
					real(-500_000, 1_000_000),
					v.check((n) => n !== 0, "expected a number other than 0"),
				),
				"By so many millionths; negative: too slowly. Default: 200.",
			),
			durNs: lasting,
			target,
		},
	},
	"clock.freeze": {
		does: "The clock stands still.",
		candidates: null,
		params: { durNs: may(whole(1, NS_MAX), "For so many ns. Default: 10 ms."), target },
	},
	"clock.rate-split": {
		does: "The clock that software reads and the time of devices run at different rates.",
		candidates: null,
		params: {
			ratio: needs(real(0.01, 100), "Of the former to the latter."),
			durNs: lasting,
			target,
		},
	},
	"clock.timer-miss": {
		does: "A timer does not interrupt, until it is set again.",
		candidates: "timers that fall due",
		params: { timer },
	},
	"clock.jitter": {
		does: "A timer interrupts late.",
		candidates: "timers that fall due",
		params: {
			timer,
			maxNs: may(whole(1, 2 ** 32), "By at most so many ns, as the seed chooses. Default: 10,000."),
		},
	},
};
