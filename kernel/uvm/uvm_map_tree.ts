/**
 * Port of sys/uvm/uvm_map.c (2003), the tree of a map's entries, with what it needs of sys/tree.h:
 * a red-black tree in the order of the addresses, beside the list.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * Each node knows the gap behind its entry (ownspace), and the largest one of its subtree (space),
 * so that a gap of some size is found on one way through the tree.
 */

import type { vaddr_t } from "../../sys/vmparam.ts";

/** What the tree is made of; E is the type of the entry. */
export interface uvm_tree_entry<E> {
	prev: E;
	next: E;
	start: vaddr_t;
	end: vaddr_t;
	rb_left: E | null;
	rb_right: E | null;
	rb_parent: E | null;
	rb_red: boolean;
	/** Bytes from the end of this entry to the next, or to the end of the map. */
	ownspace: number;
	/** The largest ownspace of this node and those below it. */
	space: number;
}

export interface uvm_tree<E> {
	/** Sentinel of the list; its start and end are the map's bounds turned inside out. */
	readonly header: E;
	rbhead: E | null;
	/** Nodes that were visited since the map was made, to find entries and gaps or after changes. */
	steps: number;
	/** Steps of long searches that virtual time has yet to be charged for. */
	owed: number;
}

/**
 * Steps of a search that cost nothing of their own: a tree of 15 entries, up to which NetBSD walks
 * the list, is no higher. They are a part of what a fault or a system call costs.
 */
const STEPS_FREE = 8;

function searched<E>(map: uvm_tree<E>, steps: number): void {
	map.steps += steps;
	if (steps > STEPS_FREE) map.owed += steps - STEPS_FREE;
}

/** The gap behind an entry, by the list. => of the header: the gap before the first entry. */
export const uvm_rb_space = <E extends uvm_tree_entry<E>>(entry: E): number =>
	entry.next.start - entry.end;

/** The largest gap of a node and its children. */
export function uvm_rb_subtree_space<E extends uvm_tree_entry<E>>(entry: E): number {
	const { rb_left: left, rb_right: right } = entry;
	let space = entry.ownspace;
	if (left !== null && left.space > space) space = left.space;
	if (right !== null && right.space > space) space = right.space;
	return space;
}

/** Set `space` from this node on up, as far as it changes. */
function augment<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, entry: E | null): void {
	let steps = 0;
	for (let node = entry; node !== null; node = node.rb_parent) {
		steps++;
		const space = uvm_rb_subtree_space(node);
		if (space === node.space) break;
		node.space = space;
	}
	map.steps += steps;
}

/** The gap behind `entry`, or the header, may have changed. => map locked. */
export function uvm_rb_fixup<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, entry: E): void {
	if (entry === map.header) return;
	const ownspace = uvm_rb_space(entry);
	if (ownspace === entry.ownspace) return;
	entry.ownspace = ownspace;
	augment(map, entry);
}

/** Put `to`, or nothing, where `from` hangs. */
function replace<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, from: E, to: E | null): void {
	const parent = from.rb_parent;
	if (parent === null) map.rbhead = to;
	else if (parent.rb_left === from) parent.rb_left = to;
	else parent.rb_right = to;
	if (to !== null) to.rb_parent = parent;
}

/** The right child comes up in the place of `node`. */
function rotate_left<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, node: E): void {
	const up = node.rb_right!;
	node.rb_right = up.rb_left;
	if (up.rb_left !== null) up.rb_left.rb_parent = node;
	replace(map, node, up);
	up.rb_left = node;
	node.rb_parent = up;
	up.space = node.space;
	node.space = uvm_rb_subtree_space(node);
}

/** The left child comes up in the place of `node`. */
function rotate_right<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, node: E): void {
	const up = node.rb_left!;
	node.rb_left = up.rb_right;
	if (up.rb_right !== null) up.rb_right.rb_parent = node;
	replace(map, node, up);
	up.rb_right = node;
	node.rb_parent = up;
	up.space = node.space;
	node.space = uvm_rb_subtree_space(node);
}

/** Enter an entry that is in the list. => map locked. */
export function uvm_rb_insert<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, entry: E): void {
	const { prev, next, header } = { prev: entry.prev, next: entry.next, header: map.header };
	// Of two neighbours one has no child on the other's side, and there the new one belongs.
	let parent: E | null = null;
	if (prev !== header && prev.rb_right === null) {
		parent = prev;
		prev.rb_right = entry;
	} else if (next !== header) {
		parent = next;
		next.rb_left = entry;
	} else {
		map.rbhead = entry;
	}
	entry.rb_left = null;
	entry.rb_right = null;
	entry.rb_parent = parent;
	entry.rb_red = true;
	entry.ownspace = uvm_rb_space(entry);
	entry.space = entry.ownspace;
	augment(map, parent);
	uvm_rb_fixup(map, prev);
	insert_color(map, entry);
}

/**
 * Enter all entries of the list; the tree has none yet. => map locked.
 * => the tree that uvm_rb_insert makes of them from the first to the last, in linear time.
 *
 * That tree: on its right side each node has a left subtree that is full and black. By the height
 * of these subtrees the side has levels, the lowest at the bottom, each of a black node and a red
 * one; the highest may lack the red one. A node that is inserted at the bottom of a level which is
 * complete comes up in the place of the red one, so that the black one hangs to its left, red; the
 * next one sends the black node up a level and lets the others take their places again.
 */
export function uvm_rb_build<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, entries: number): void {
	const { header } = map;
	// Until all are in the tree, the first that is not.
	map.rbhead = header.next;
	let node: E | null = entries === 0 ? null : build_level(map, entries, 0);
	map.rbhead = null;
	map.steps += entries;
	for (; node !== null; node = node.rb_parent) {
		node.space = uvm_rb_subtree_space(node);
		map.rbhead = node;
	}
}

/** The levels from `height` on up, to which so many nodes came. => the node at the bottom. */
function build_level<E extends uvm_tree_entry<E>>(
	map: uvm_tree<E>,
	nodes: number,
	height: number,
): E {
	const above: E | null = nodes < 4 ? null : build_level(map, (nodes - 2) >> 1, height + 1);
	let left = build_full(map, height);
	if (nodes > 1 && (nodes & 1) === 1) left = build_node(map, left, height, true);
	const black = build_node(map, left, 0, false);
	black.rb_parent = above;
	if (above !== null) above.rb_right = black;
	if (nodes === 1) return black;
	const red = build_node(map, build_full(map, height), 0, true);
	red.rb_parent = black;
	black.rb_right = red;
	return red;
}

/** A full subtree of black nodes. */
function build_full<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, height: number): E | null {
	if (height === 0) return null;
	return build_node(map, build_full(map, height - 1), height - 1, false);
}

/** The next entry, with `left` and a full right subtree. */
function build_node<E extends uvm_tree_entry<E>>(
	map: uvm_tree<E>,
	left: E | null,
	height: number,
	red: boolean,
): E {
	const entry = map.rbhead!;
	map.rbhead = entry.next;
	let space = entry.next.start - entry.end;
	entry.ownspace = space;
	entry.rb_red = red;
	entry.rb_left = left;
	if (left !== null) {
		left.rb_parent = entry;
		if (left.space > space) space = left.space;
	}
	const right = build_full(map, height);
	entry.rb_right = right;
	if (right !== null) {
		right.rb_parent = entry;
		if (right.space > space) space = right.space;
	}
	entry.space = space;
	return entry;
}

/** RB_INSERT_COLOR: `entry` is red, and its parent may be. */
function insert_color<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, entry: E): void {
	let node = entry;
	for (let parent = node.rb_parent; parent?.rb_red === true; parent = node.rb_parent) {
		map.steps++;
		// A red node is not the root.
		const above: E = parent.rb_parent!;
		const left = above.rb_left === parent;
		const uncle: E | null = left ? above.rb_right : above.rb_left;
		if (uncle?.rb_red === true) {
			uncle.rb_red = false;
			parent.rb_red = false;
			above.rb_red = true;
			node = above;
			continue;
		}
		if ((left ? parent.rb_right : parent.rb_left) === node) {
			if (left) rotate_left(map, parent);
			else rotate_right(map, parent);
			node = parent;
		}
		node.rb_parent!.rb_red = false;
		above.rb_red = true;
		if (left) rotate_right(map, above);
		else rotate_left(map, above);
	}
	map.rbhead!.rb_red = false;
}

/** Remove an entry that the list has no more; it still knows its neighbours. => map locked. */
export function uvm_rb_remove<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, entry: E): void {
	const { rb_left: left, rb_right: right } = entry;
	let parent = entry.rb_parent;
	let child: E | null;
	let red = entry.rb_red;
	if (left !== null && right !== null) {
		// Between two children: the next entry takes its place.
		const heir = entry.next;
		child = heir.rb_right;
		parent = heir.rb_parent;
		red = heir.rb_red;
		if (parent === entry) {
			parent = heir;
		} else {
			replace(map, heir, child);
			heir.rb_right = right;
			right.rb_parent = heir;
		}
		heir.rb_left = left;
		left.rb_parent = heir;
		heir.rb_red = entry.rb_red;
		heir.space = entry.space;
		replace(map, entry, heir);
		augment(map, parent);
		if (parent !== heir) augment(map, heir);
	} else {
		child = left ?? right;
		replace(map, entry, child);
		augment(map, parent);
	}
	entry.rb_left = null;
	entry.rb_right = null;
	entry.rb_parent = null;
	uvm_rb_fixup(map, entry.prev);
	if (!red) remove_color(map, child, parent);
}

/** RB_REMOVE_COLOR: the ways through `node`, which may be nothing, are one black node short. */
function remove_color<E extends uvm_tree_entry<E>>(
	map: uvm_tree<E>,
	node: E | null,
	above: E | null,
): void {
	for (let parent = above; parent !== null && node?.rb_red !== true; parent = node!.rb_parent) {
		map.steps++;
		const left = parent.rb_left === node;
		let sibling: E = (left ? parent.rb_right : parent.rb_left)!;
		if (sibling.rb_red) {
			sibling.rb_red = false;
			parent.rb_red = true;
			if (left) rotate_left(map, parent);
			else rotate_right(map, parent);
			sibling = (left ? parent.rb_right : parent.rb_left)!;
		}
		if (sibling.rb_left?.rb_red !== true && sibling.rb_right?.rb_red !== true) {
			sibling.rb_red = true;
			node = parent;
			continue;
		}
		if ((left ? sibling.rb_right : sibling.rb_left)?.rb_red !== true) {
			(left ? sibling.rb_left : sibling.rb_right)!.rb_red = false;
			sibling.rb_red = true;
			if (left) rotate_right(map, sibling);
			else rotate_left(map, sibling);
			sibling = (left ? parent.rb_right : parent.rb_left)!;
		}
		sibling.rb_red = parent.rb_red;
		parent.rb_red = false;
		(left ? sibling.rb_right : sibling.rb_left)!.rb_red = false;
		if (left) rotate_left(map, parent);
		else rotate_right(map, parent);
		return;
	}
	if (node !== null) node.rb_red = false;
}

/**
 * The entry that contains `va`, or else the one before it, perhaps the header.
 * => map locked, or nobody changes it. Changes nothing and counts nothing: for those who only look.
 */
export function uvm_map_lookup_entry_bytree<E extends uvm_tree_entry<E>>(
	map: uvm_tree<E>,
	va: vaddr_t,
): E {
	let found = map.header;
	for (let node = map.rbhead; node !== null; ) {
		if (va < node.start) {
			node = node.rb_left;
		} else {
			found = node;
			node = va < node.end ? null : node.rb_right;
		}
	}
	return found;
}

/** As uvm_map_lookup_entry_bytree, and counted. */
export function uvm_tree_lookup<E extends uvm_tree_entry<E>>(map: uvm_tree<E>, va: vaddr_t): E {
	let found = map.header;
	let steps = 0;
	for (let node = map.rbhead; node !== null; steps++) {
		if (va < node.start) {
			node = node.rb_left;
		} else {
			found = node;
			node = va < node.end ? null : node.rb_right;
		}
	}
	searched(map, steps);
	return found;
}

/**
 * The first entry behind `after`, perhaps the header, that has a gap of `length` bytes behind it.
 * => map locked. null: there is none.
 */
export function uvm_tree_findgap<E extends uvm_tree_entry<E>>(
	map: uvm_tree<E>,
	after: E,
	length: number,
): E | null {
	let steps = 0;
	let node = after === map.header ? map.rbhead : after.rb_right;
	if (after !== map.header && (node === null || node.space < length)) {
		// Up, and from there to the right, until a subtree has one.
		node = null;
		let child = after;
		for (let up = after.rb_parent; up !== null && node === null; up = up.rb_parent) {
			steps++;
			if (up.rb_left === child) {
				if (up.ownspace >= length) {
					searched(map, steps);
					return up;
				}
				if (up.rb_right !== null && up.rb_right.space >= length) node = up.rb_right;
			}
			child = up;
		}
	}
	if (node !== null && node.space < length) node = null;
	while (node !== null) {
		steps++;
		if (node.rb_left !== null && node.rb_left.space >= length) node = node.rb_left;
		else if (node.ownspace >= length) break;
		else node = node.rb_right;
	}
	searched(map, steps);
	return node;
}
