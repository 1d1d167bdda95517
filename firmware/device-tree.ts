/**
 * The device tree of a board, with the configured devices only. Nodes, names and bindings are those
 * of QEMU's `virt` board, so that software made for it works here.
 */
import type { Board } from "../devices/board.ts";
import type { Framebuffer } from "../devices/framebuffer.ts";
import { MEMORY_MAP, type Region } from "../devices/memory-map.ts";
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
	readonly bootargs?: string | undefined;
	/** Physical addresses of an initial RAM disk: its first byte, and the one behind it. */
	readonly initrd?: { readonly start: number; readonly end: number } | undefined;
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
				properties: { device_type: "memory", reg: reg({ base: RAM_BASE, size: options.ramSize }) },
			},
			cpus(),
			soc(),
		],
	});
}

const reg = ({ base, size }: Region): number[] => [0, base, 0, size];

function chosen({ bootargs, initrd }: DeviceTreeOptions): FdtNode {
	return {
		name: "chosen",
		properties: {
			"stdout-path": `/soc/serial@${MEMORY_MAP.uart.base.toString(16)}`,
			bootargs,
			"linux,initrd-start": initrd && [initrd.start],
			"linux,initrd-end": initrd && [initrd.end],
		},
	};
}

function framebuffers(framebuffer: Framebuffer | null): FdtNode[] {
	if (framebuffer === null) return [];
	const { width, height, size } = framebuffer;
	const { base } = MEMORY_MAP.framebuffer;
	return [
		{
			name: `framebuffer@${base.toString(16)}`,
			properties: {
				compatible: "simple-framebuffer",
				reg: reg({ base, size }),
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

/** The node of a device on the bus, named for its address. */
function device(
	name: string,
	region: Region,
	compatible: string | readonly string[],
	more: FdtNode["properties"] = {},
): FdtNode {
	const interrupt = region.irq && { interrupts: [region.irq], "interrupt-parent": [PLIC] };
	return {
		name: `${name}@${region.base.toString(16)}`,
		properties: { compatible, reg: reg(region), ...more, ...interrupt },
	};
}

/** Interrupts of the hart that a controller drives. */
const intoHart = (...irqs: number[]): FdtNode["properties"] => ({
	"interrupts-extended": irqs.flatMap((irq) => [CPU_INTC, irq]),
});

function soc(): FdtNode {
	return {
		name: "soc",
		properties: {
			"#address-cells": [2],
			"#size-cells": [2],
			compatible: "simple-bus",
			ranges: true,
		},
		children: [
			device("test", MEMORY_MAP.power, ["sifive,test1", "sifive,test0", "syscon"], {
				phandle: [TEST],
			}),
			device("rtc", MEMORY_MAP.rtc, "google,goldfish-rtc"),
			device("clint", MEMORY_MAP.clint, ["sifive,clint0", "riscv,clint0"], {
				...intoHart(IRQ_MSI, IRQ_MTI),
			}),
			device("plic", MEMORY_MAP.plic, ["sifive,plic-1.0.0", "riscv,plic0"], {
				phandle: [PLIC],
				"#address-cells": [0],
				"#interrupt-cells": [1],
				"interrupt-controller": true,
				"riscv,ndev": [PLIC_NUM_SOURCES - 1],
				...intoHart(IRQ_MEI, IRQ_SEI),
			}),
			device("serial", MEMORY_MAP.uart, "ns16550a", { "clock-frequency": [UART_CLOCK_HZ] }),
			...MEMORY_MAP.virtio.map((slot) => device("virtio_mmio", slot, "virtio,mmio")),
		],
	};
}
