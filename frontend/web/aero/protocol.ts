// What goes between the page's side of a machine and the worker that runs it.

/** The folder of the browser's private file system in which images and overlays lie. */
export const STORAGE_FOLDER = "aero-disks";

/** Where the bytes of a named image come from. */
export type Source =
  /** A file or blob of the user's: read in place, piece by piece. */
  | { kind: "blob"; blob: Blob }
  /** An address: read by ranges, or whole if the server knows no ranges. */
  | { kind: "url"; url: string }
  /** Bytes at hand. */
  | { kind: "bytes"; bytes: Uint8Array }
  /** A file of this name in the browser's private file system, read and written in place. */
  | { kind: "opfs"; name: string };

export interface Stats {
  /** Instructions retired by all processors since power-on. */
  instructions: number;
  /** Guest time since power-on, in seconds. */
  guest_seconds: number;
  /** Time the processors were kept running, in seconds. */
  host_seconds: number;
  /** Accesses that left the processor, by device. */
  exits: Record<string, number>;
  /** What the machine says of generated code, if its processors have any. */
  jit?: Record<string, unknown>;
  [more: string]: unknown;
}

export type State = "paused" | "running" | "off" | "failed";

/** Page to worker. A request with an `id` is answered by a `reply` with the same. */
export type Request =
  | {
      type: "create";
      id: number;
      machine: string;
      name: string;
      /** Values laid over the machine file, each as `key=value`. */
      sets: string[];
      sources: Record<string, Source>;
      /** What names that are in no source are relative to. */
      base: string;
    }
  | { type: "checkCode"; id: number }
  | { type: "start"; id: number }
  | { type: "pause"; id: number }
  | { type: "reset"; id: number }
  | { type: "powerButton"; id: number }
  | { type: "stats"; id: number }
  | { type: "screenshot"; id: number }
  | { type: "screenText"; id: number }
  | { type: "snapshot"; id: number }
  | { type: "restore"; id: number; bytes: Uint8Array }
  | { type: "describe"; id: number }
  | { type: "serial"; bytes: Uint8Array }
  | { type: "key"; code: string; down: boolean }
  | { type: "mouse"; dx: number; dy: number; wheel: number; buttons: number }
  | { type: "watch"; frames: boolean };

/** Worker to page. */
export type Event =
  | { type: "reply"; id: number; value: unknown }
  | { type: "error"; id: number; message: string }
  | { type: "serial"; bytes: Uint8Array }
  | { type: "frame"; bitmap: ImageBitmap }
  | { type: "state"; state: State; message: string }
  | { type: "progress"; what: string; done: number; total: number }
  | { type: "log"; level: string; message: string };

/** A request without its number, as the page's side writes it. */
export type Call = Extract<Request, { id: number }> extends infer R
  ? R extends { id: number }
    ? Omit<R, "id">
    : never
  : never;

/** What `Aero.checkCode` measures: nanoseconds a call. */
export interface CodeCosts {
  /** Calling a generated function. */
  enter: number;
  /** Calling the machine from generated code. */
  helper: number;
  /** A tail call from a module into another. */
  tail_call: number;
  /** Modules made on the machine's thread, by size. */
  modules: ModuleCost[];
  /** The same if another thread prepared them; null if there was none. */
  prepared_modules: ModuleCost[] | null;
}

/** Microseconds on the machine's thread, but for `preparing`. */
export interface ModuleCost {
  bytes: number;
  /** On the other thread. */
  preparing: number;
  install: number;
  first_call: number;
}
