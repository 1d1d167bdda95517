/** A level-triggered interrupt wire. Setting the level that it already has changes nothing. */
export interface IrqLine {
	set(level: boolean): void;
}
