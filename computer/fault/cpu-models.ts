/** The fault models of the hart, as plans name them. */
import * as v from "valibot";
import type { CpuModels } from "../../devices/fault/cpu-rule.ts";
import { ADDRESS_MAX, may, whole } from "./fields.ts";
import type { Catalogue } from "./model.ts";

export const CPU_MODELS: Catalogue<CpuModels> = {
	"cpu.register": {
		does: "Bits of a register are inverted, between two instructions.",
		candidates: null,
		params: {
			register: may(whole(1, 31), "Of x1 to x31. Default: the seed chooses one."),
			mask: may(whole(1, ADDRESS_MAX), "Default: one bit, which the seed chooses."),
		},
	},
	"cpu.pc": {
		does: "Bits of pc are inverted, between two instructions.",
		candidates: null,
		params: {
			mask: may(
				v.pipe(
					whole(2, ADDRESS_MAX),
					v.check((n) => n % 2 === 0, "expected no bit 0, which pc does not have"),
				),
				"Without bit 0. Default: one of bits 1 to 20, as the seed chooses.",
			),
		},
	},
};
