/**
 * The interrupt lines from devices to the hart: the bits of mip that software does not set. A CLINT
 * drives MSI and MTI, a PLIC drives MEI and SEI.
 */

export class InterruptLines {
	/** Bit n is set while line n is raised. */
	levels = 0;

	/** => `irq` is the number of an interrupt, that is its bit in mip. */
	raise(irq: number): void {
		this.levels |= 1 << irq;
	}

	lower(irq: number): void {
		this.levels &= ~(1 << irq);
	}

	set(irq: number, level: boolean): void {
		if (level) this.raise(irq);
		else this.lower(irq);
	}
}
