/** What a plan may get wrong about a rule for memory, hart or MMU. */
import type { Dma } from "../../machine/dma.ts";
import { UserError } from "../../machine/user-error.ts";
import { hasInstant, type MachineRule } from "./machine-rule.ts";

const PTE_BITS = 32;
const WORD = 2 ** 32;

/** Bytes that a mask for the byte at an address and those after it reaches. */
export const bytesOfMask = (mask: number): number => Math.ceil((32 - Math.clz32(mask)) / 8);

const isWithin = (value: number | undefined, low: number, high: number): boolean =>
	value === undefined || (Number.isInteger(value) && value >= low && value <= high);

/** => what is wrong with the parameters, or "" */
function fault(rule: MachineRule, dma: Dma): string {
	switch (rule.model) {
		case "mmu.tlb-flip":
		case "mmu.pte-flip": {
			const { field, bit } = rule.params;
			if (field !== undefined && bit !== undefined) return "field and bit: only one can be given";
			return isWithin(bit, 0, PTE_BITS - 1) ? "" : `bit ${bit}: must be 0 to ${PTE_BITS - 1}`;
		}
		case "memory.flip": {
			const { pa, mask, bits } = rule.params;
			if (!isWithin(mask, 1, WORD - 1)) return `mask ${mask}: must be 1 to ${WORD - 1}`;
			if (!isWithin(bits, 1, 8)) return `bits ${bits}: must be 1 to 8`;
			if (mask !== undefined && bits !== undefined) return "mask and bits: only one can be given";
			if (pa === undefined || dma.contains(pa, mask === undefined ? 1 : bytesOfMask(mask)))
				return "";
			return `pa 0x${pa.toString(16)}: not in RAM`;
		}
		case "cpu.register": {
			const { register, mask } = rule.params;
			if (!isWithin(register, 1, 31)) return `register ${register}: must be 1 to 31`;
			return isWithin(mask, 1, WORD - 1) ? "" : `mask ${mask}: must be 1 to ${WORD - 1}`;
		}
		case "cpu.pc": {
			const { mask } = rule.params;
			const works = isWithin(mask, 2, WORD - 2) && (mask ?? 0) % 2 === 0;
			return works ? "" : `mask ${mask}: must be 2 to ${WORD - 2}, and even`;
		}
		default:
			return "";
	}
}

/** => UserError unless the rule can be followed on a machine with this RAM. */
export function checkMachineRule(rule: MachineRule, dma: Dma): void {
	const { atNs, atInsn } = rule.when ?? {};
	let wrong = fault(rule, dma);
	if (hasInstant(rule)) {
		if ((atNs === undefined) === (atInsn === undefined)) {
			wrong = "when: needs atNs or atInsn, one of them";
		} else if (rule.life !== undefined && rule.life !== "once") {
			wrong = "life: acts once, at its instant";
		}
	} else if (atNs !== undefined || atInsn !== undefined) {
		wrong = `when: ${rule.model} has no instant; use hit, every, chance or window`;
	}
	if (wrong !== "") throw new UserError(`fault ${rule.id}: ${wrong}`);
}
