/** The fault models of the hart, as plans name them. */
import * as v from "valibot";
import type { CpuModels } from "../../devices/fault/cpu-rule.ts";
import { ADDRESS_MAX, may, needs, whole } from "./fields.ts";
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
	"cpu.stuck": {
		does: "A bit of a register is stuck, whatever is written. Lasts unless `life` says otherwise.",
		candidates: "instructions before or after which it has the other value",
		params: {
			register: needs(whole(1, 31), "Of x1 to x31."),
			bit: needs(whole(0, 31), "Of this register."),
			value: may(v.picklist([0, 1]), "Default: 0."),
		},
	},
	"cpu.csr": {
		does: "Bits of a register of the supervisor are inverted, between two instructions.",
		candidates: null,
		params: {
			csr: needs(
				v.picklist(["satp", "sepc", "stvec", "sstatus", "scause", "stval"]),
				"The register.",
			),
			mask: may(
				whole(1, ADDRESS_MAX),
				"Bits that it does not have are left out. Default: one bit, which the seed chooses.",
			),
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
	"cpu.skip": {
		does: "Instructions are passed over: pc is behind them, and nothing else happens.",
		candidates: null,
		params: {
			count: may(whole(1, 1000), "How many, in a straight line. Default: 1."),
		},
	},
	"cpu.corrupt": {
		does: "The next instruction is fetched wrong, once; memory keeps the right one.",
		candidates: null,
		params: {
			mask: may(
				whole(1, ADDRESS_MAX),
				"Bits of its encoding. Default: one bit, which the seed chooses.",
			),
		},
	},
	"cpu.result": {
		does: "An instruction produces something else.",
		candidates:
			"instructions of the class; of alu and load, those that retire and write a register",
		params: {
			class: may(
				v.picklist(["alu", "load", "store-data", "store-address", "branch"]),
				"A branch is taken where it should not be, and the other way round. Default: alu.",
			),
			mask: may(
				whole(1, ADDRESS_MAX),
				"Of the result; none for a branch. Default: one bit, which the seed chooses.",
			),
		},
	},
	"cpu.stall": {
		does: "The hart stops for a while: time passes, and nothing retires.",
		candidates: null,
		params: {
			cycles: needs(whole(1, 2 ** 40), "For so long."),
		},
	},
};
