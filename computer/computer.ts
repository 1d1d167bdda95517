/** A machine and its board as one: what is saved and gone back to is always both. */

import type { Board, BoardState } from "../devices/board.ts";
import type { Checkpoint, Machine, MachineState } from "../machine/machine.ts";

export interface Computer {
	readonly machine: Machine;
	readonly board: Board;
}

/** Plain data, which refers to memory that never changes. */
export interface ComputerState {
	readonly machine: MachineState;
	readonly board: BoardState;
}

export interface ComputerCheckpoint {
	readonly machine: Checkpoint;
	readonly board: BoardState;
}

export const saveComputer = ({ machine, board }: Computer): ComputerState => ({
	machine: machine.save(),
	board: board.save(),
});

/** => UserError if the state comes from a computer of another shape. */
export function restoreComputer({ machine, board }: Computer, state: ComputerState): void {
	machine.restore(state.machine);
	board.restore(state.board);
}

/**
 * Note this instant, to go back to it as often as wanted. It costs what is written afterwards.
 * => between two instructions; to be released when it is not needed any more.
 */
export const checkpointComputer = ({ machine, board }: Computer): ComputerCheckpoint => ({
	machine: machine.checkpoint(),
	board: board.checkpoint(),
});

export function rollbackComputer(computer: Computer, checkpoint: ComputerCheckpoint): void {
	computer.machine.rollback(checkpoint.machine);
	computer.board.rollback(checkpoint.board);
}

export function releaseComputer(computer: Computer, checkpoint: ComputerCheckpoint): void {
	if (checkpoint.machine.ram === null) return;
	computer.machine.release(checkpoint.machine);
	computer.board.release(checkpoint.board);
}
