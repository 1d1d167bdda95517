/** The fault models of interrupts, as plans name them. */
import * as v from "valibot";
import type { InterruptModels } from "../../devices/fault/interrupt-rule.ts";
import { may, needs, notBoth, where, whole } from "./fields.ts";
import type { Catalogue } from "./model.ts";

const NS_MAX = 2 ** 50;
const DEVICES = v.pipe(
	v.string(),
	v.regex(/^(?:(?:ld|disk)[0-7]|uart|rtc)$/, "expected ld0, disk0, ..., uart or rtc"),
);

const target = {
	source: may(whole(1, 96), "The number of a source of the interrupt controller (PLIC)."),
	device: may(DEVICES, "Instead of it: ld0 or disk0, ld1 or disk1, ...; uart; rtc."),
};
const needsTarget = [
	where(
		"source",
		({ source, device }) => (source === undefined) !== (device === undefined),
		"expected either source or device",
	),
];

export const INTERRUPT_MODELS: Catalogue<InterruptModels> = {
	"irq.lost": {
		does: "The interrupt that a device asks for does not come.",
		candidates: "requests of the device",
		params: {
			...target,
			drop: may(
				v.picklist(["level", "edge"]),
				"Level: its wire is low for the PLIC until the next request. Edge: the PLIC sees that " +
					"it is high when it looks the next time. Default: level.",
			),
		},
		conditions: needsTarget,
	},
	"irq.delayed": {
		does: "The interrupt comes later, unless the device has withdrawn it.",
		candidates: "requests of the device",
		params: { ...target, addNs: needs(whole(1, NS_MAX), "By so many ns.") },
		conditions: needsTarget,
	},
	"irq.duplicated": {
		does: "When the interrupt was completed, it comes once more, without work.",
		candidates: "completions of the source, but for those of what has come once more",
		params: target,
		conditions: needsTarget,
	},
	"irq.spurious": {
		does: "An interrupt that nobody has asked for.",
		candidates: null,
		params: {
			...target,
			claim: may(
				v.picklist(["id", "zero"]),
				"What a claim gives: the source, or nothing. Default: id with a source, else zero.",
			),
		},
		conditions: [notBoth("source", "device")],
	},
	"irq.storm": {
		does: "A source makes requests without work, again and again.",
		candidates: null,
		params: {
			...target,
			rateHz: may(whole(1, 1e8), "How many in a second. Default: 100,000."),
			durNs: may(whole(1, NS_MAX), "For so many ns. Default: 10 ms."),
		},
		conditions: needsTarget,
	},
	"irq.reordered": {
		does: "A claim gives another source than the one of the highest priority.",
		candidates: "claims with more than one source pending",
		params: {
			pick: may(
				v.picklist(["last", "any"]),
				"The last of the others, or one that the seed chooses. Default: last.",
			),
		},
	},
	"irq.flip": {
		does: "A bit of a register of the interrupt controller (PLIC) is inverted.",
		candidates: null,
		params: {
			...target,
			register: may(
				v.picklist(["priority", "threshold", "enable", "pending"]),
				"Thresholds and enables are those of S-mode. Default: priority.",
			),
			bit: may(whole(0, 2), "Of a priority or threshold. Default: the seed chooses one."),
		},
		conditions: [
			notBoth("source", "device"),
			where(
				"source",
				(p) => p.register === "threshold" || p.source !== undefined || p.device !== undefined,
				"expected source or device, but for a threshold",
			),
		],
	},
};
