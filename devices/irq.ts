/** A level-triggered interrupt wire. Setting its present level has no effect. */
export interface IrqLine {
	set(level: boolean): void;
}
