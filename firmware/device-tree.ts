/**
 * The device tree of a board: what is configured, no more. Nodes, names and bindings are those of
 * QEMU's `virt` board, so that whatever finds its way there does so here.
 */
import {
	type Board,
	CLINT_BASE,
	CLINT_SIZE,
	FRAMEBUFFER_BASE,
	PLIC_BASE,
	PLIC_SIZE,
	POWER_BASE,
	POWER_SIZE,
	RTC_BASE,
	RTC_IRQ,
	RTC_SIZE,
	UART_BASE,
	UART_IRQ,
	UART_SIZE,
	VIRTIO_BASE,
	VIRTIO_IRQ,
	VIRTIO_SIZE,
	VIRTIO_SLOTS,
} from "../devices/board.ts";
import type { Framebuffer } from "../devices/framebuffer.ts";
import { PLIC_NUM_SOURCES } from "../devices/plic.ts";
import { FINISHER_PASS, FINISHER_RESET } from "../devices/power.ts";
import { UART_CLOCK_HZ } from "../devices/uart-16550.ts";
import { IRQ_MEI, IRQ_MSI, IRQ_MTI } from "../machine/hart-state.ts";
import { ISA_STRING } from "../machine/isa.ts";
import { RAM_BASE } from "../machine/memory.ts";
import { CYCLES_PER_TIME_TICK, IRQ_SEI } from "../machine/port.ts";
import { type FdtNode, flatten } from "./fdt.ts";

/** Cycles are nanoseconds. */
const TIMEBASE_HZ = 1e9 / CYCLES_PER_TIME_TICK;

/** phandles */
const CPU = 1;
const CPU_INTC = 2;
const PLIC = 3;
const TEST = 4;

export interface DeviceTreeOptions {
	/** Bytes of RAM. */
	readonly ramSize: number;
	/** The kernel's command line (/chosen/bootargs). */
	readonly bootargs?: string;
	/** Physical addresses of an initial RAM disk: its first byte, and the one behind it. */
	readonly initrd?: { readonly start: number; readonly end: number };
}

/** The blob that describes `board`. */
export function deviceTree(board: Board, options: DeviceTreeOptions): Uint8Array {
	return flatten({
		name: "",
		properties: {
			"#address-cells": [2],
			"#size-cells": [2],
			compatible: "riscv-virtio",
			model: "riscv-virtio,qemu",
		},
		children: [
			chosen(options),
			...framebuffers(board.framebuffer),
			syscon("poweroff", FINISHER_PASS),
			syscon("reboot", FINISHER_RESET),
			{
				name: `memory@${RAM_BASE.toString(16)}`,
				properties: { device_type: "memory", reg: reg(RAM_BASE, options.ramSize) },
			},
			cpus(),
			soc(),
		],
	});
}

const reg = (base: number, size: number): number[] => [0, base, 0, size];

function chosen({ bootargs, initrd }: DeviceTreeOptions): FdtNode {
	return {
		name: "chosen",
		properties: {
			"stdout-path": `/soc/serial@${UART_BASE.toString(16)}`,
			...(bootargs === undefined ? {} : { bootargs }),
			...(initrd === undefined
				? {}
				: { "linux,initrd-start": [initrd.start], "linux,initrd-end": [initrd.end] }),
		},
	};
}

function framebuffers(framebuffer: Framebuffer | null): FdtNode[] {
	if (framebuffer === null) return [];
	const { width, height, size } = framebuffer;
	return [
		{
			name: `framebuffer@${FRAMEBUFFER_BASE.toString(16)}`,
			properties: {
				compatible: "simple-framebuffer",
				reg: reg(FRAMEBUFFER_BASE, size),
				width: [width],
				height: [height],
				stride: [width * 4],
				format: "x8r8g8b8",
			},
		},
	];
}

const syscon = (name: string, value: number): FdtNode => ({
	name,
	properties: { compatible: `syscon-${name}`, regmap: [TEST], offset: [0], value: [value] },
});

function cpus(): FdtNode {
	return {
		name: "cpus",
		properties: {
			"#address-cells": [1],
			"#size-cells": [0],
			"timebase-frequency": [TIMEBASE_HZ],
		},
		children: [
			{
				name: "cpu@0",
				properties: {
					phandle: [CPU],
					device_type: "cpu",
					reg: [0],
					status: "okay",
					compatible: "riscv",
					"riscv,isa": ISA_STRING,
					"mmu-type": "riscv,sv32",
				},
				children: [
					{
						name: "interrupt-controller",
						properties: {
							"#interrupt-cells": [1],
							"interrupt-controller": true,
							compatible: "riscv,cpu-intc",
							phandle: [CPU_INTC],
						},
					},
				],
			},
			{
				name: "cpu-map",
				properties: {},
				children: [
					{
						name: "cluster0",
						properties: {},
						children: [{ name: "core0", properties: { cpu: [CPU] } }],
					},
				],
			},
		],
	};
}

/** A node of the bus, named for its address; `irq` is its source at the PLIC. */
function device(
	name: string,
	base: number,
	size: number,
	compatible: string | readonly string[],
	more: FdtNode["properties"] = {},
): FdtNode {
	return {
		name: `${name}@${base.toString(16)}`,
		properties: { compatible, reg: reg(base, size), ...more },
	};
}

const wire = (irq: number): FdtNode["properties"] => ({
	interrupts: [irq],
	"interrupt-parent": [PLIC],
});

/** Interrupts of the hart that a controller drives. */
const intoHart = (...irqs: number[]): FdtNode["properties"] => ({
	"interrupts-extended": irqs.flatMap((irq) => [CPU_INTC, irq]),
});

function soc(): FdtNode {
	const slots = Array.from({ length: VIRTIO_SLOTS }, (_, slot) =>
		device(
			"virtio_mmio",
			VIRTIO_BASE + slot * VIRTIO_SIZE,
			VIRTIO_SIZE,
			"virtio,mmio",
			wire(VIRTIO_IRQ + slot),
		),
	);
	return {
		name: "soc",
		properties: {
			"#address-cells": [2],
			"#size-cells": [2],
			compatible: "simple-bus",
			ranges: true,
		},
		children: [
			device("test", POWER_BASE, POWER_SIZE, ["sifive,test1", "sifive,test0", "syscon"], {
				phandle: [TEST],
			}),
			device("rtc", RTC_BASE, RTC_SIZE, "google,goldfish-rtc", wire(RTC_IRQ)),
			device("clint", CLINT_BASE, CLINT_SIZE, ["sifive,clint0", "riscv,clint0"], {
				...intoHart(IRQ_MSI, IRQ_MTI),
			}),
			device("plic", PLIC_BASE, PLIC_SIZE, ["sifive,plic-1.0.0", "riscv,plic0"], {
				phandle: [PLIC],
				"#address-cells": [0],
				"#interrupt-cells": [1],
				"interrupt-controller": true,
				"riscv,ndev": [PLIC_NUM_SOURCES - 1],
				...intoHart(IRQ_MEI, IRQ_SEI),
			}),
			device("serial", UART_BASE, UART_SIZE, "ns16550a", {
				"clock-frequency": [UART_CLOCK_HZ],
				...wire(UART_IRQ),
			}),
			...slots,
		],
	};
}
