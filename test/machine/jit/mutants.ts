/**
 * Defects for the compiler. Each is a place in what npm run build makes of a file of machine/jit,
 * and what it becomes. The places are short, so that they outlive changes around them.
 */

export interface Mutant {
	readonly name: string;
	readonly file: string;
	readonly from: string | RegExp;
	readonly to: string;
	/** The test in this folder that should find it. */
	readonly by?: string;
}

export const MUTANTS: readonly Mutant[] = [
	{
		name: "registers that were written are not stored where control leaves",
		file: "straight",
		from: "for (const register of this.#written)",
		to: "for (const register of [...this.#written].slice(1))",
	},
	{
		name: "a register is not loaded where control enters",
		file: "straight",
		from: "code.loadWord(register);",
		to: "if (register !== 15) code.loadWord(register); else code.constant(0);",
	},
	{
		name: "the cycles left are not stored where control leaves",
		file: "emit",
		from: "code.storeLocal(H_LEFT, LEFT);",
		to: "",
	},
	{
		name: "a block costs no cycle for its first instruction",
		file: "straight",
		from: "-instructions.length)",
		to: "1 - instructions.length)",
	},
	{
		name: "a side exit gives one cycle too few back",
		file: "straight",
		from: "code.spend(LEFT, left)",
		to: "code.spend(LEFT, left - 1)",
	},
	{
		name: "a side exit goes on in compiled code",
		file: "straight",
		from: "this.leave(pc | 1)",
		to: "this.leave(pc)",
	},
	{
		name: "signed bytes are loaded without their sign",
		file: "straight",
		from: "signed ? wasm.I32_LOAD8_S",
		to: "!signed ? wasm.I32_LOAD8_S",
	},
	{
		name: "unsigned halfwords are loaded with a sign",
		file: "straight",
		from: "wasm.I32_LOAD16_S : wasm.I32_LOAD16_U",
		to: "wasm.I32_LOAD16_S : wasm.I32_LOAD16_S",
	},
	{
		name: "stores look at the table of loads",
		file: "straight",
		from: "this.#access(instruction, WT, bytes, left)",
		to: "this.#access(instruction, RT, bytes, left)",
	},
	{
		name: "groups with stores look at the table of loads",
		file: "straight",
		from: "stores ? WT : RT",
		to: "stores ? RT : RT",
	},
	{
		name: "amos look at the table of loads",
		file: "straight",
		from: "op === OP.LR ? RT : WT",
		to: "RT",
	},
	{
		name: "misaligned words are not refused",
		file: "straight",
		from: "bytes === 4 ? 30",
		to: "bytes === 4 ? 31",
	},
	{
		name: "a group may cross the end of its page",
		file: "straight",
		from: "PAGE_MASK + 1 - (high - low)",
		to: "PAGE_MASK + 1",
	},
	{
		name: "a group forgets that its register was moved",
		file: "groups",
		from: "added[rd] = added[rs1] + imm",
		to: "added[rd] = added[rs1]",
	},
	{
		name: "a group outlives a new value of its register",
		file: "groups",
		from: /else\s+origin\[rd\] = -1/,
		to: "else origin[rd] = origin[rd]",
	},
	{
		name: "a group's end is that of its first access",
		file: "groups",
		from: "group.high = Math.max(group.high, offset + bytes)",
		to: "group.high = group.high",
	},
	{
		name: "a group is aligned for its smallest access",
		file: "groups",
		from: "(offset - group.aligned) % smaller === 0",
		to: "true",
	},
	{
		name: "a group of loads does not become one of stores",
		file: "groups",
		from: "group.stores ||= stores",
		to: "group.stores &&= stores",
	},
	{
		name: "sc.w always succeeds",
		file: "straight",
		from: "code.op(wasm.I32_NE);\n            code.tee(VA);",
		to: "code.op(wasm.DROP, wasm.DROP, wasm.I32_CONST, 0);\n            code.tee(VA);",
	},
	{
		name: "sc.w keeps the reservation",
		file: "straight",
		from: "code.storeConstant(H_RESERVATION, -1)",
		to: "",
	},
	{
		name: "a jump that links sets rd before its target is known",
		file: "straight",
		from: /if \(op === OP\.JALR\) \{\s+this\.#expression\(effect\.target, instruction\);/,
		to: `if (op === OP.JALR) {
                    if (rd !== 0) { code.constant(pc + length); code.set(this.#locals[rd]); }
                    this.#expression(effect.target, instruction);`,
	},
	{
		name: "links are four bytes behind compressed jumps",
		file: "straight",
		from: "code.constant(pc + length)",
		to: "code.constant(pc + 4)",
	},
	{
		name: "bltu compares as blt does",
		file: "expression",
		from: '"<u": wasm.I32_LT_U',
		to: '"<u": wasm.I32_LT_S',
	},
	{
		name: "sra shifts in zeros",
		file: "expression",
		from: '">>": wasm.I32_SHR_S',
		to: '">>": wasm.I32_SHR_U',
	},
	{
		name: "mulhsu takes rs2 for signed",
		file: "expression",
		from: "mulhsu: [wasm.I64_EXTEND_I32_S, wasm.I64_EXTEND_I32_U]",
		to: "mulhsu: [wasm.I64_EXTEND_I32_S, wasm.I64_EXTEND_I32_S]",
	},
	{
		name: "division by zero gives 0",
		file: "expression",
		from: "code.constant(-1) : () => write(0)",
		to: "code.constant(0) : () => write(0)",
	},
	{
		name: "a branch goes the other way",
		file: "region",
		from: "block.successors.push(taken)",
		to: "block.successors.push(this.#total % 7 === 0 ? other : taken)",
	},
	{
		name: "a copied function begins with its second instruction",
		file: "region",
		from: "get(copy, target)",
		to: "get(copy, (target + 4) | 0)",
	},
	{
		name: "functions return to the first caller below",
		file: "emit",
		from: /code\.op\(wasm\.I32_EQ\);\s+code\.open\(wasm\.IF\);/,
		to: "code.op(wasm.I32_GE_U); code.open(wasm.IF);",
	},
	{
		name: "a jump's targets are in the wrong places of its table",
		file: "emit",
		from: "table[(addresses[i] - lowest) / 2] = i",
		to: "table[(addresses[i] - lowest) / 2] = (i + 1) % addresses.length",
	},
	{
		name: "a jump to where its table has nothing goes to the first target",
		file: "emit",
		from: "i < 0 ? length : i - first",
		to: "i < 0 ? 0 : i - first",
	},
	{
		name: "a way through a loop asks for no cycles",
		file: "emit",
		from: "if (block.checks && ",
		to: "if (block.checks && block.instructions.length > 3 && ",
	},
	{
		name: "a check asks for one cycle too few",
		file: "emit",
		from: "code.constant(need);",
		to: "code.constant(need - 1);",
	},
	{
		name: "what is needed is that of the last way, not of the longest",
		file: "graph",
		from: "need = Math.max(need, successor.need)",
		to: "need = successor.need",
	},
	{
		name: "an entry inside a loop leads to its head",
		file: "graph",
		from: "route(from, block.entry, dispatcher);",
		to: "route(from, block.entry, head);",
	},
	{
		name: "a page that is mapped elsewhere is not noticed",
		file: "emit",
		from: "code.op(wasm.I32_NE);\n        code.loadWord(CODE_MAP",
		to: "code.op(wasm.I32_NE, wasm.DROP, wasm.I32_CONST, 0);\n        code.loadWord(CODE_MAP",
	},
	{
		name: "control comes to another page without a cycle left",
		file: "emit",
		from: "code.constant(1);\n        code.op(wasm.I32_LT_S",
		to: "code.constant(-0x8000);\n        code.op(wasm.I32_LT_S",
	},
	{
		name: "the page being executed stays the old one",
		file: "emit",
		from: "code.storeConstant(H_FETCH_PAGE, page << PAGE_SHIFT);",
		to: "",
	},
	{
		name: "stored code stays compiled",
		file: "compiler",
		from: ".pages.has(page))\n                this.#drop(number);",
		to: ".pages.has(page) && number % 2 !== 0)\n                this.#drop(number);",
	},
	{
		name: "stored code that waits for its module is compiled",
		file: "compiler",
		from: "this.#pending.splice(i, 1)",
		to: "this.#pending.length",
	},
	{
		name: "stores into compiled pages are not seen",
		file: "compiler",
		from: "this.#code.use(page)",
		to: "this.#code.pageSlots",
	},
	{
		name: "code is entered at another address than it was compiled for",
		file: "dispatcher",
		from: "code.get(PC);\n    code.op(wasm.I32_NE);",
		to: "code.op(wasm.DROP, wasm.I32_CONST, 0);",
	},
	{
		name: "compiled code is entered without cycles",
		file: "dispatcher",
		from: "code.op(wasm.I32_GE_S);",
		to: "code.op(wasm.I32_GT_S, wasm.DROP, wasm.I32_CONST, 0);",
	},
	{
		name: "a function that was dropped is still entered",
		file: "compiler",
		from: "if ((word & 0xff) !== REGION || ",
		to: "if ((word & 0xff) !== REGION || slot % 16 === 0 || ",
	},
	{
		name: "the interpreter keeps a part of the cycles",
		file: "jit",
		from: "words[H_BUDGET] += words[H_REST]",
		to: "words[H_BUDGET] += words[H_REST] - 1",
	},
	{
		name: "no cycles are left for the straight line behind compiled code",
		file: "jit",
		from: "words[H_BASE] = base;",
		to: "words[H_BASE] = base + 1;",
	},
];
