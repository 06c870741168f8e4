// A thread of the program: another instance of it over the same memory. It waits in there for
// something to do and never comes back to its event loop.

import { initSync, serve_jobs } from "../../pkg/aero";

/** What the machine's worker sends, once. */
export interface Parts {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

/** Bytes of the thread's stack. */
const STACK = 4 << 20;

self.onmessage = (message: MessageEvent<Parts>) => {
  initSync({ ...message.data, thread_stack_size: STACK });
  serve_jobs(() => (self as unknown as Worker).postMessage("ready"));
};
