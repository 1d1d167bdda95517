/** Snapshots of bare machines, whose state can be taken at any time. */

import type { BoardDisk } from "../../devices/board.ts";
import type { FaultPlan } from "../../devices/fault/rule.ts";
import type { Engine } from "../../machine/engine.ts";
import { Bare } from "../bare.ts";
import type { BareOptions } from "../bare-options.ts";
import type { ComputerState } from "../computer.ts";
import { VERSION } from "../version.ts";
import { beginFaults } from "./begin-faults.ts";
import { packSnapshot, rejectDamaged, SnapshotError, unpackSnapshot } from "./container.ts";
import { Graph, writeGraph } from "./graph.ts";
import { describeDisk, openSavedDisk, type SavedDisk } from "./saved-disk.ts";

const KIND = "run";

/** What a restored machine gets from its new host. */
export interface RestoreBareOptions {
	/** Takes each byte that is printed from now on. */
	readonly console?: ((byte: number) => void) | undefined;
	/** What executes guest code from now on. Default: "auto". */
	readonly engine?: Engine | undefined;
	/** Break the hardware from now on. => the snapshot has no plan */
	readonly faults?: FaultPlan | undefined;
}

/** Options that are data and the guest's; the others are disks, the console and the engine. */
type PlainOptions = Omit<BareOptions, "disks" | "console" | "engine">;

interface Body {
	readonly options: PlainOptions;
	readonly saved: ComputerState;
}

interface BareDisk extends SavedDisk {
	readonly options: Pick<BoardDisk, "readOnly" | "id">;
}

interface Config {
	readonly disks: readonly BareDisk[];
	readonly stateHash: string;
}

/** => SnapshotError for disks that are neither memory nor a file, or have a timing model. */
export function saveBare(bare: Bare): Uint8Array {
	const { disks = [], console: _, engine: _engine, ...options } = bare.options;
	const body: Body = { options, saved: bare.save()! };
	const config = {
		ram: bare.machine.config.ramSize,
		disks: disks.map(describe),
		cycles: bare.machine.clock.cycles,
		stateHash: bare.stateHash(),
	};
	return packSnapshot({ version: VERSION, kind: KIND, config }, writeGraph(body));
}

function describe({ media, timing, readOnly, id }: BoardDisk): BareDisk {
	if (timing !== undefined && timing.name !== "instant") {
		throw new SnapshotError("a disk with a timing model cannot be saved");
	}
	return { ...describeDisk(media), options: { readOnly, id } };
}

/**
 * The machine that a snapshot was made of, as it was.
 * => SnapshotError, one line, if the file is damaged, or does not fit this uvmachine or its disks,
 *    or has a plan of faults and is to follow another one; FaultPlanError for a plan that is wrong;
 *    UserError of one line from a disk that cannot be opened.
 */
export function restoreBare(file: Uint8Array, given: RestoreBareOptions = {}): Bare {
	const { console, engine, faults } = given;
	const { header, body } = unpackSnapshot(file, KIND, VERSION);
	const bare = rejectDamaged(() => {
		const { options, saved } = new Graph(body).root as Body;
		const config = header.config as unknown as Config;
		const disks = config.disks.map((disk) => ({ ...disk.options, media: openSavedDisk(disk) }));
		const restored = new Bare({ ...options, disks, console, engine });
		restored.restore(saved);
		if (restored.stateHash() !== config.stateHash) {
			throw new SnapshotError("replay diverged: state hash mismatch");
		}
		return restored;
	});
	beginFaults(bare, faults);
	return bare;
}
