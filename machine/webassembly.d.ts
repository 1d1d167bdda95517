/** The part of the WebAssembly API that the machine uses; lib.dom, which has it all, is not ours. */
declare namespace WebAssembly {
	class Memory {
		/** `initial` and `maximum` count pages of 65536 bytes. */
		constructor(descriptor: { initial: number; maximum: number });
		readonly buffer: ArrayBuffer;
	}
}
