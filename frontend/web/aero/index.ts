/**
 * A PC in a browser tab, for scripts.
 *
 *     const pc = await Aero.create({ machine: toml, files: { "disk.img": file } });
 *     pc.start();
 *     await pc.until("login: ", 60_000);
 *     pc.write("root\n");
 */
import {
  type Call,
  type CodeCosts,
  STORAGE_FOLDER,
  type Source,
  type State,
  type Stats,
  type Event as WorkerEvent,
} from "./protocol";

export { STORAGE_FOLDER };
export type { CodeCosts, Source, State, Stats };

/** Something a machine file's name may stand for. A string is an address. */
export type FileLike = Blob | Uint8Array | string | Source;

export interface Options {
  /** The machine file's text. */
  machine: string;
  /** What error messages call it. */
  name?: string;
  /** Values laid over it, each as `key=value`: `cpu.backend=jit`. */
  set?: string[];
  /** The images it names. */
  files?: Record<string, FileLike>;
  /** The address that names not in `files` are relative to: the page's own if not given. */
  base?: string;
  /** Where to show the screen. Can be set later with `attach`. */
  canvas?: HTMLCanvasElement;
}

interface EventMap {
  /** Bytes that came over the serial line. */
  serial: Uint8Array;
  /** The machine started, stopped, was switched off, or failed. */
  state: { state: State; message: string };
  /** A long step goes on. */
  progress: { what: string; done: number; total: number };
  /** The screen has another size, in pixels. */
  resize: { width: number; height: number };
  /** A message of the machine's log. */
  log: { level: string; message: string };
}

type Listener<K extends keyof EventMap> = (event: EventMap[K]) => void;

/** How much serial output is kept for `until`, in characters. */
const HISTORY = 1 << 20;

/** A machine. It lives in a worker of its own. */
export class Aero {
  /** What the machine is doing. */
  state: State = "paused";
  /** Pictures of the screen that were shown so far. */
  frames = 0;

  #worker: Worker;
  #calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #nextId = 1;
  #listeners = new Map<keyof EventMap, Set<Listener<never>>>();
  #history = "";
  #decoder = new TextDecoder();
  #canvas: HTMLCanvasElement | null = null;
  #context: ImageBitmapRenderingContext | null = null;

  private constructor() {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = (message: MessageEvent<WorkerEvent>) => this.#receive(message.data);
    this.#worker.onerror = (event) => {
      this.#fail(event.message || "the machine's worker could not be started");
    };
  }

  /** Builds a machine. A mistake in the machine file or an image rejects with a line that names it. */
  static async create(options: Options): Promise<Aero> {
    const pc = Aero.#open();
    if (options.canvas) pc.attach(options.canvas);
    const sources: Record<string, Source> = {};
    for (const [name, file] of Object.entries(options.files ?? {})) sources[name] = source(file);
    try {
      await pc.#call({
        type: "create",
        machine: options.machine,
        name: options.name ?? "machine.toml",
        sets: options.set ?? [],
        sources,
        base: new URL(options.base ?? "./", location.href).href,
      });
    } catch (error) {
      pc.destroy();
      throw error;
    }
    return pc;
  }

  /**
   * Makes WebAssembly by hand and runs it as the code of the processors is run; rejects if this
   * browser does not do that as it must. Resolves with what it costs here.
   */
  static async checkCode(): Promise<CodeCosts> {
    const pc = Aero.#open();
    try {
      return await pc.#call({ type: "checkCode" });
    } finally {
      pc.destroy();
    }
  }

  static #open(): Aero {
    if (!globalThis.crossOriginIsolated) {
      throw new Error(
        "this page gets no shared memory: its server must send the headers " +
          "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
      );
    }
    return new Aero();
  }

  /** Lets the machine run on. */
  start(): Promise<void> {
    return this.#call({ type: "start" });
  }

  /** Stops the machine between two instructions; guest time stands still. */
  pause(): Promise<void> {
    return this.#call({ type: "pause" });
  }

  /** Presses the reset button. */
  reset(): Promise<void> {
    return this.#call({ type: "reset" });
  }

  /** Presses the power button, which asks the guest to shut down. */
  powerButton(): Promise<void> {
    return this.#call({ type: "powerButton" });
  }

  /** Pulls the plug and frees everything. */
  destroy(): void {
    this.#worker.terminate();
    this.#fail("the machine was destroyed");
    this.#setState("off", "");
  }

  /** Sends text or bytes over the serial line. */
  write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    this.#worker.postMessage({ type: "serial", bytes });
  }

  /** All serial output so far (the last million characters). */
  get output(): string {
    return this.#history;
  }

  /** Resolves with the serial output up to `text` once it has come, counted from `from` on. */
  until(text: string, timeout = 60_000, from = 0): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const at = this.#history.indexOf(text, from);
        if (at < 0) return false;
        done();
        resolve(this.#history.slice(from, at + text.length));
        return true;
      };
      const end = (why: string) => {
        done();
        const tail = this.#history.slice(-300);
        reject(new Error(`${JSON.stringify(text)} did not come: ${why}. The output ends: ${tail}`));
      };
      const onState = (event: EventMap["state"]) => {
        if (event.state === "off" || event.state === "failed") end(event.message || "powered off");
      };
      const timer = setTimeout(() => end(`${timeout} ms are over`), timeout);
      const done = () => {
        clearTimeout(timer);
        this.off("serial", check);
        this.off("state", onState);
      };
      this.on("serial", check);
      this.on("state", onState);
      check();
    });
  }

  /** Presses or releases a key, named as `KeyboardEvent.code` has it. */
  key(code: string, down: boolean): void {
    this.#worker.postMessage({ type: "key", code, down });
  }

  /** Moves the mouse by steps and sets its buttons (bit 0 left, 1 right, 2 middle). */
  mouse(dx: number, dy: number, wheel: number, buttons: number): void {
    this.#worker.postMessage({ type: "mouse", dx, dy, wheel, buttons });
  }

  /** The screen as a PNG file. */
  screenshot(): Promise<Blob> {
    return this.#call({ type: "screenshot" });
  }

  /** The characters on the screen in a text mode; null in a graphics mode. */
  screenText(): Promise<string | null> {
    return this.#call({ type: "screenText" });
  }

  /** Counters of the machine. */
  stats(): Promise<Stats> {
    return this.#call({ type: "stats" });
  }

  /** The resolved machine: every device with its address, ports, memory and interrupt. */
  describe(): Promise<string> {
    return this.#call({ type: "describe" });
  }

  /** The whole state of the machine (its disks' images are not in it). */
  snapshot(): Promise<Uint8Array> {
    return this.#call({ type: "snapshot" });
  }

  /** Goes on from a snapshot of a machine of the same make. */
  restore(bytes: Uint8Array): Promise<void> {
    return this.#call({ type: "restore", bytes });
  }

  /** Shows the screen on a canvas, or no more with null. */
  attach(canvas: HTMLCanvasElement | null): void {
    this.#canvas = canvas;
    this.#context = canvas?.getContext("bitmaprenderer") ?? null;
    this.#worker.postMessage({ type: "watch", frames: this.#context !== null });
  }

  on<K extends keyof EventMap>(type: K, listener: Listener<K>): void {
    let set = this.#listeners.get(type);
    if (!set) this.#listeners.set(type, (set = new Set()));
    set.add(listener as Listener<never>);
  }

  off<K extends keyof EventMap>(type: K, listener: Listener<K>): void {
    this.#listeners.get(type)?.delete(listener as Listener<never>);
  }

  #emit<K extends keyof EventMap>(type: K, event: EventMap[K]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) (listener as Listener<K>)(event);
  }

  #call<T>(call: Call): Promise<T> {
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as (value: never) => void, reject });
      this.#worker.postMessage({ ...call, id });
    });
  }

  #receive(event: WorkerEvent): void {
    switch (event.type) {
      case "reply":
        this.#calls.get(event.id)?.resolve(event.value as never);
        this.#calls.delete(event.id);
        break;
      case "error":
        this.#calls.get(event.id)?.reject(new Error(event.message));
        this.#calls.delete(event.id);
        break;
      case "serial":
        this.#history += this.#decoder.decode(event.bytes, { stream: true });
        if (this.#history.length > 2 * HISTORY) this.#history = this.#history.slice(-HISTORY);
        this.#emit("serial", event.bytes);
        break;
      case "frame":
        this.#show(event.bitmap);
        break;
      case "state":
        this.#setState(event.state, event.message);
        break;
      case "progress":
        this.#emit("progress", event);
        break;
      case "log":
        this.#emit("log", event);
        break;
    }
  }

  #show(bitmap: ImageBitmap): void {
    const canvas = this.#canvas;
    if (!canvas || !this.#context) return bitmap.close();
    this.frames++;
    const { width, height } = bitmap;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      this.#emit("resize", { width, height });
    }
    this.#context.transferFromImageBitmap(bitmap);
  }

  #setState(state: State, message: string): void {
    if (state === this.state) return;
    this.state = state;
    this.#emit("state", { state, message });
  }

  #fail(message: string): void {
    for (const call of this.#calls.values()) call.reject(new Error(message));
    this.#calls.clear();
  }
}

function source(file: FileLike): Source {
  if (typeof file === "string") return { kind: "url", url: new URL(file, location.href).href };
  if (file instanceof Blob) return { kind: "blob", blob: file };
  if (file instanceof Uint8Array) return { kind: "bytes", bytes: file };
  return file;
}
