/**
 * Rules for memory, hart, MMU, interrupts and clocks, and for resources of a kernel: all models.
 * Rules of some act at an instant, `when.atNs` or `when.atInsn`; the others have candidates.
 */
import type { ClockModels } from "./clock-rule.ts";
import type { CpuModels } from "./cpu-rule.ts";
import type { InterruptModels } from "./interrupt-rule.ts";
import type { MemoryModels } from "./memory-rule.ts";
import type { MmuModels } from "./mmu-rule.ts";
import type { ResourceModels } from "./resource-rule.ts";
import type { FaultRule } from "./rule.ts";

/** The models, with their parameters. */
export type MachineModels = MmuModels &
	MemoryModels &
	CpuModels &
	InterruptModels &
	ClockModels &
	ResourceModels;
export type MachineModel = keyof MachineModels;

export type MachineRule = {
	readonly [M in MachineModel]: FaultRule & {
		readonly model: M;
		readonly params: MachineModels[M];
	};
}[MachineModel];

export type RuleOf<M extends MachineModel> = Extract<MachineRule, { readonly model: M }>;

/** The models that act at an instant, and not on candidates. */
const INSTANTS: ReadonlySet<MachineModel> = new Set<MachineModel>([
	"mmu.tlb-flip",
	"mmu.pte-flip",
	"memory.flip",
	"cpu.register",
	"cpu.pc",
	"cpu.csr",
	"cpu.skip",
	"cpu.corrupt",
	"cpu.stall",
	"irq.spurious",
	"irq.storm",
	"irq.flip",
	"clock.jump",
	"clock.drift",
	"clock.freeze",
	"clock.rate-split",
	"alloc.hold-pages",
	"alloc.hold-slots",
	"alloc.wire-limit",
	"alloc.pager-windows",
]);

export const hasInstant = ({ model }: MachineRule): boolean => INSTANTS.has(model);

const LASTING_INSTANTS: ReadonlySet<MachineModel> = new Set<MachineModel>([
	"alloc.hold-pages",
	"alloc.hold-slots",
	"alloc.wire-limit",
	"alloc.pager-windows",
]);

/** Does what the rule begins at its instant last, for ever or for `life.forNs`? */
export const lasts = ({ model }: MachineRule): boolean => LASTING_INSTANTS.has(model);

/** Models whose rules last unless `life` says otherwise. */
const LASTING: ReadonlySet<MachineModel> = new Set<MachineModel>([
	"memory.stuck",
	"memory.ecc",
	"memory.row",
	"memory.cell",
	"cpu.stuck",
]);

/** The rule with the `life` that it has by default. */
export const withLife = (rule: MachineRule): MachineRule =>
	rule.life === undefined && (LASTING.has(rule.model) || lasts(rule))
		? { ...rule, life: "permanent" }
		: rule;
