/**
 * The shape of a region's graph: order, dominators and loops, and ways in.
 *
 * WebAssembly has loops that are entered at their heads alone. So that control may enter a region
 * at any loop of a nest, the head of a loop with entries inside is preceded by a dispatching block;
 * where control enters from outside, it leads from one head to the next. An edge into the middle of
 * a loop takes the same way, from the start of the region.
 */
import { type Accesses, Block, dominates, END_AGAIN, END_DISPATCH, type Region } from "./block.ts";
import { divideLoops } from "./strips.ts";

/** How often edges into the middle of loops are looked for. */
const ROUNDS = 8;

/** Reverse postorder, predecessors, dominators, loops' heads. => the blocks that are reached */
function analyse(start: Block): Block[] {
	const blocks: Block[] = [];
	const stack: Block[] = [start];
	const next: number[] = [0];
	const seen = new Set<Block>([start]);
	while (stack.length > 0) {
		const block = stack.at(-1)!;
		// Last successor first: the first one then follows its block in the order.
		const i = block.successors.length - 1 - next[next.length - 1]!++;
		if (i < 0) {
			blocks.push(block);
			stack.pop();
			next.pop();
		} else if (!block.redirected[i]) {
			const successor = block.successors[i]!;
			if (seen.has(successor)) continue;
			seen.add(successor);
			stack.push(successor);
			next.push(0);
		}
	}
	blocks.reverse();
	for (let i = 0; i < blocks.length; i++) {
		const block = blocks[i]!;
		block.order = i;
		block.predecessors = [];
		block.dominator = null;
		block.children = [];
		block.isHeader = false;
		block.isMerge = false;
		block.loops = [];
	}
	for (const block of blocks) {
		for (let i = 0; i < block.successors.length; i++) {
			if (!block.redirected[i]) block.successors[i]!.predecessors.push(block);
		}
	}
	dominators(blocks);
	return blocks;
}

/** Cooper, Harvey and Kennedy: A Simple, Fast Dominance Algorithm. */
function dominators(blocks: readonly Block[]): void {
	const start = blocks[0]!;
	start.dominator = start;
	for (let changed = true; changed; ) {
		changed = false;
		for (let i = 1; i < blocks.length; i++) {
			const block = blocks[i]!;
			let found: Block | null = null;
			for (const predecessor of block.predecessors) {
				if (predecessor.dominator === null) continue;
				found = found === null ? predecessor : common(found, predecessor);
			}
			if (found === block.dominator) continue;
			block.dominator = found;
			changed = true;
		}
	}
}

function common(a: Block, b: Block): Block {
	let x = a;
	let y = b;
	while (x !== y) {
		while (x.order > y.order) x = x.dominator!;
		while (y.order > x.order) y = y.dominator!;
	}
	return x;
}

/** Have edges into the middle of loops lead to the start. => were there any? */
function redirect(blocks: readonly Block[]): boolean {
	const start = blocks[0]!;
	let found = false;
	for (const block of blocks) {
		for (let i = 0; i < block.successors.length; i++) {
			const successor = block.successors[i]!;
			if (block.redirected[i] || successor.order > block.order) continue;
			if (dominates(successor, block)) continue;
			block.redirected[i] = true;
			if (!start.successors.includes(successor)) start.successors.push(successor);
			found = true;
		}
	}
	return found;
}

/** Find the heads of loops, and for each block those that it is in. */
function findLoops(blocks: readonly Block[]): void {
	for (const head of blocks) {
		const work = head.predecessors.filter((block) => block.order >= head.order);
		if (work.length === 0) continue;
		head.isHeader = true;
		const inside = new Set<Block>([head]);
		while (work.length > 0) {
			const block = work.pop()!;
			if (inside.has(block)) continue;
			inside.add(block);
			work.push(...block.predecessors);
		}
		for (const block of inside) block.loops.push(head);
	}
}

/** Is it the head of a loop without look-ups, which control reaches from its own strip alone? */
const isInStrip = (block: Block): boolean => block.strip?.head === block;

/** Give every block that control may enter at a number, and a way from the start. */
function addEntries(start: Block, blocks: readonly Block[], wanted: ReadonlySet<Block>): Block[] {
	const entries: Block[] = [];
	const dispatchers = new Map<Block, Block>();
	for (const block of blocks) {
		const isHead = block.isHeader && !isInStrip(block);
		const isEntry = wanted.has(block) || isHead || start.successors.includes(block);
		if (block === start || !isEntry) continue;
		entries.push(block);
		block.entry = entries.length;
		let from = start;
		for (const head of block.loops) {
			if (head === block || head === start) continue;
			const dispatcher = dispatchers.get(head) ?? dispatcherOf(head, start, dispatchers);
			route(from, block.entry, dispatcher);
			from = dispatcher;
		}
		route(from, block.entry, dispatchers.get(block) ?? block);
	}
	return entries;
}

function route(from: Block, entry: number, to: Block): void {
	from.routes.set(entry, to);
	if (!from.successors.includes(to)) from.successors.push(to);
}

/** A dispatching block that all control passes on its way to `head`. */
function dispatcherOf(head: Block, start: Block, dispatchers: Map<Block, Block>): Block {
	const dispatcher = new Block(head.pc);
	dispatcher.end = END_DISPATCH;
	for (const block of [...head.predecessors, start, ...dispatchers.values()]) {
		for (let i = 0; i < block.successors.length; i++) {
			if (block.successors[i] === head && !block.redirected[i]) block.successors[i] = dispatcher;
		}
		for (const [entry, to] of block.routes) if (to === head) block.routes.set(entry, dispatcher);
	}
	dispatcher.successors.push(head);
	dispatchers.set(head, dispatcher);
	return dispatcher;
}

/** Where cycles are checked, and how many must be left there. */
function setNeeds(blocks: readonly Block[]): void {
	for (let i = blocks.length - 1; i >= 0; i--) {
		const block = blocks[i]!;
		let need = 0;
		for (let j = 0; j < block.successors.length; j++) {
			const successor = block.successors[j]!;
			if (block.redirected[j] || successor.order <= block.order || successor.checks) continue;
			need = Math.max(need, successor.need);
		}
		block.need = need + block.instructions.length;
	}
}

/**
 * The region that begins at `root`, and that control may also enter at `wanted`.
 * => null if its graph cannot be put into loops.
 */
export function shape(root: Block, wanted: readonly Block[], accesses: Accesses): Region | null {
	const start = new Block(root.pc);
	start.end = END_DISPATCH;
	start.successors.push(root);
	let blocks = analyse(start);
	for (const block of wanted) {
		if (block.order >= 0) continue;
		start.successors.push(block);
		blocks = analyse(start);
	}
	for (let round = 0; redirect(blocks); round++) {
		if (round === ROUNDS) return null;
		blocks = analyse(start);
	}
	findLoops(blocks);
	let ways = new Set(wanted);
	const choices = divideLoops(blocks, ways, accesses);
	if (choices.size > 0) {
		ways = new Set(wanted.map((block) => choices.get(block) ?? block));
		blocks = analyse(start);
		findLoops(blocks);
	}
	const heads = new Set(blocks.filter((block) => block.isHeader && !isInStrip(block)));
	const entries = addEntries(start, blocks, ways);
	blocks = analyse(start);
	let instructions = 0;
	for (const block of blocks) {
		let forward = 0;
		for (const predecessor of block.predecessors) {
			if (predecessor.order < block.order) forward++;
			else if (!dominates(block, predecessor)) return null;
			else block.isHeader = true;
		}
		block.isMerge = forward > 1;
		if (block !== start) block.dominator!.children.push(block);
		// Not at the dispatching block before it: control may only pass there on its way in.
		block.checks = heads.has(block) || block.end === END_AGAIN;
		instructions += block.instructions.length;
	}
	start.isHeader = blocks.some((block) => block.redirected.includes(true));
	setNeeds(blocks);
	return { start, blocks, entries, instructions };
}
