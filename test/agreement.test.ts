/**
 * What hardware and software both have to know is written down on both sides, each from its own
 * document. Here the two are held together.
 */
import { describe, expect, it } from "vitest";
import * as plic from "../devices/plic.ts";
import * as uart from "../devices/uart-16550.ts";
import * as blk from "../devices/virtio-blk.ts";
import * as mmio from "../devices/virtio-mmio.ts";
import { sources } from "./support/sources.ts";

/** The numeric constants of a driver, by name. */
function constants(path: string): Map<string, number> {
	const [file] = sources(path);
	const found = new Map<string, number>();
	for (const [, name, value] of file!.text.matchAll(
		/^(?:export )?const (\w+) = ([\dx_a-fA-F<< ]+);/gm,
	)) {
		const [base, shift = "0"] = value!.replaceAll("_", "").split("<<");
		found.set(name!, Number(base) * 2 ** Number(shift));
	}
	return found;
}

describe("virtio-mmio and virtio-blk", () => {
	const driver = new Map([
		...constants("kernel/dev/virtio.ts"),
		...constants("kernel/dev/ld_virtio.ts"),
	]);
	const device: Record<string, number> = {
		VIRTIO_MMIO_MAGIC_VALUE: mmio.MagicValue,
		VIRTIO_MMIO_VERSION: mmio.Version,
		VIRTIO_MMIO_DEVICE_ID: mmio.DeviceID,
		VIRTIO_MMIO_DEVICE_FEATURES: mmio.DeviceFeatures,
		VIRTIO_MMIO_DEVICE_FEATURES_SEL: mmio.DeviceFeaturesSel,
		VIRTIO_MMIO_DRIVER_FEATURES: mmio.DriverFeatures,
		VIRTIO_MMIO_DRIVER_FEATURES_SEL: mmio.DriverFeaturesSel,
		VIRTIO_MMIO_QUEUE_SEL: mmio.QueueSel,
		VIRTIO_MMIO_QUEUE_NUM_MAX: mmio.QueueNumMax,
		VIRTIO_MMIO_QUEUE_NUM: mmio.QueueNum,
		VIRTIO_MMIO_QUEUE_READY: mmio.QueueReady,
		VIRTIO_MMIO_QUEUE_NOTIFY: mmio.QueueNotify,
		VIRTIO_MMIO_INTERRUPT_STATUS: mmio.InterruptStatus,
		VIRTIO_MMIO_INTERRUPT_ACK: mmio.InterruptACK,
		VIRTIO_MMIO_STATUS: mmio.Status,
		VIRTIO_MMIO_QUEUE_DESC_LOW: mmio.QueueDescLow,
		VIRTIO_MMIO_QUEUE_AVAIL_LOW: mmio.QueueDriverLow,
		VIRTIO_MMIO_QUEUE_USED_LOW: mmio.QueueDeviceLow,
		VIRTIO_MMIO_CONFIG: mmio.Config,
		VIRTIO_MAGIC: mmio.MAGIC,
		VIRTIO_DEVICE_ID_BLOCK: blk.VIRTIO_ID_BLOCK,
		ACKNOWLEDGE: mmio.ACKNOWLEDGE,
		DRIVER: mmio.DRIVER,
		DRIVER_OK: mmio.DRIVER_OK,
		FEATURES_OK: mmio.FEATURES_OK,
		DEVICE_NEEDS_RESET: mmio.DEVICE_NEEDS_RESET,
		VIRTIO_BLK_F_RO: 2 ** blk.VIRTIO_BLK_F_RO,
		VIRTIO_BLK_T_IN: blk.VIRTIO_BLK_T_IN,
		VIRTIO_BLK_T_OUT: blk.VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_S_OK: blk.VIRTIO_BLK_S_OK,
	};

	it.each(Object.entries(device))("%s", (name, value) => {
		expect(driver.get(name)).toBe(value);
	});

	it("the driver knows no register that is not compared here", () => {
		const registers = [...driver.keys()].filter((name) => name.startsWith("VIRTIO_MMIO_"));
		expect(registers.filter((name) => !(name in device))).toEqual([]);
	});
});

it("the interrupt controller", () => {
	const driver = constants("kernel/dev/plic.ts");
	const s = plic.PLIC_CONTEXT + plic.PLIC_CONTEXT_S * plic.PLIC_CONTEXT_STRIDE;
	expect(Object.fromEntries(driver)).toEqual({
		PLIC_PRIORITY: plic.PLIC_PRIORITY,
		PLIC_ENABLE_S: plic.PLIC_ENABLE + plic.PLIC_CONTEXT_S * plic.PLIC_ENABLE_STRIDE,
		PLIC_THRESHOLD_S: s + plic.PLIC_THRESHOLD,
		PLIC_CLAIM_S: s + plic.PLIC_CLAIM,
	});
});

it("the UART", () => {
	const driver = constants("kernel/dev/com.ts");
	expect(Object.fromEntries(driver)).toMatchObject({
		com_data: uart.THR,
		com_ier: uart.IER,
		com_fifo: uart.FCR,
		com_lcr: uart.LCR,
		com_lsr: uart.LSR,
		IER_ERXRDY: uart.IER_ERBFI,
		FIFO_ENABLE: uart.FCR_ENABLE,
		LSR_RXRDY: uart.LSR_DR,
		LSR_TXRDY: uart.LSR_THRE,
	});
});
