// The worker in which a machine lives: processors and devices, in slices between messages.

import init, { Pc, check_code, needs_thread, program, referenced_files } from "../../pkg/aero";
import wasm from "../../pkg/aero_bg.wasm?url";
import type { Event, Request, Source, State } from "./protocol";
import { type Store, open } from "./stores";
import type { Parts } from "./thread";

/** How long the machine runs before messages are looked at, in milliseconds. */
const SLICE = 8;
/** Between two pictures of the screen, in milliseconds. */
const FRAME = 1000 / 60;
/** A timer of the browser is not more exact than this, in milliseconds; shorter sleeps block. */
const TIMER = 4;

let pc: Pc | null = null;
let state: State = "paused";
let watching = false;
let scheduled = false;
let nextFrame = 0;
const screen = new OffscreenCanvas(1, 1);
const nothing = new Int32Array(new SharedArrayBuffer(4));
const turns = new MessageChannel();
turns.port1.onmessage = turn;

function send(event: Event, transfer: Transferable[] = []): void {
  (self as unknown as Worker).postMessage(event, transfer);
}

self.onmessage = async (message: MessageEvent<Request>) => {
  const request = message.data;
  try {
    const value = await handle(request);
    if ("id" in request) send({ type: "reply", id: request.id, value });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if ("id" in request) send({ type: "error", id: request.id, message: text });
    else send({ type: "log", level: "error", message: text });
  }
};

async function handle(request: Request): Promise<unknown> {
  if (request.type === "create") return create(request);
  if (request.type === "checkCode") {
    await startThread(await load());
    return JSON.parse(check_code());
  }
  if (request.type === "watch") {
    watching = request.frames;
    nextFrame = 0;
    return;
  }
  if (!pc) throw new Error("there is no machine");
  switch (request.type) {
    case "start":
      if (state === "off" || state === "failed") pc.reset();
      pc.resume();
      setState("running");
      return schedule();
    case "pause":
      pc.pause();
      return setState("paused");
    case "reset":
      return pc.reset();
    case "powerButton":
      return pc.power_button();
    case "stats":
      return JSON.parse(pc.stats());
    case "screenshot":
      draw();
      return screen.convertToBlob({ type: "image/png" });
    case "screenText":
      return pc.screen_text() ?? null;
    case "snapshot":
      return pc.snapshot();
    case "restore":
      return pc.restore(request.bytes);
    case "describe":
      return pc.describe();
    case "serial":
      return pc.serial_write(request.bytes);
    case "key":
      return pc.key(request.code, request.down);
    case "mouse":
      return pc.mouse(request.dx, request.dy, request.wheel, request.buttons);
  }
}

async function create(request: Extract<Request, { type: "create" }>): Promise<void> {
  const memory = await load();
  const stores = new Map<string, Store>();
  // The machine asks for its images one after the other and cannot wait: they are opened before.
  const names = referenced_files(request.machine, request.name, request.sets);
  for (const [index, entry] of names.entries()) {
    const [access, file] = [entry.slice(0, entry.indexOf(" ")), entry.slice(entry.indexOf(" ") + 1)];
    send({ type: "progress", what: `Opening ${file}`, done: index, total: names.length });
    const elsewhere: Source =
      access === "overlay"
        ? { kind: "opfs", name: file }
        : { kind: "url", url: new URL(file, request.base).href };
    stores.set(file, await open(file, request.sources[file] ?? elsewhere));
  }
  send({ type: "progress", what: "Building the machine", done: names.length, total: names.length });
  if (needs_thread(request.machine, request.name, request.sets)) await startThread(memory);
  pc = new Pc(request.machine, request.name, request.sets, (name: string) => stores.get(name));
  setState("paused");
}

/** Loads the program; returns its memory. */
async function load(): Promise<WebAssembly.Memory> {
  return (await init({ module_or_path: wasm })).memory;
}

/**
 * Starts a thread of the program. Without one the machine runs too: it then makes code between
 * instructions.
 */
async function startThread(memory: WebAssembly.Memory): Promise<void> {
  const thread = new Worker(new URL("./thread.ts", import.meta.url), { type: "module" });
  try {
    await new Promise<void>((resolve, reject) => {
      thread.onmessage = () => resolve();
      thread.onerror = (event) => reject(new Error(event.message || "it could not be started"));
      const parts: Parts = { module: program() as WebAssembly.Module, memory };
      thread.postMessage(parts);
    });
  } catch (error) {
    thread.terminate();
    send({ type: "log", level: "error", message: `the compiling thread: ${String(error)}` });
  }
}

function setState(now: State, message = ""): void {
  state = now;
  send({ type: "state", state, message });
}

function schedule(): void {
  if (scheduled || state !== "running") return;
  scheduled = true;
  turns.port2.postMessage(null);
}

/** One turn: run, hand out what came of it, and come back when the machine has something to do. */
function turn(): void {
  scheduled = false;
  if (!pc || state !== "running") return;
  let sleep = 0;
  try {
    sleep = pc.run(SLICE);
  } catch (error) {
    handOut();
    return setState("failed", error instanceof Error ? error.message : String(error));
  }
  handOut();
  if (pc.is_off()) return setState("off", "the guest powered the machine off");
  if (sleep <= 0) return schedule();
  if (sleep < TIMER) {
    Atomics.wait(nothing, 0, 0, sleep);
    return schedule();
  }
  scheduled = true;
  setTimeout(turn, Math.min(sleep, FRAME));
}

function handOut(): void {
  if (!pc) return;
  const bytes = pc.serial_read();
  if (bytes.length > 0) send({ type: "serial", bytes }, [bytes.buffer as ArrayBuffer]);
  const now = performance.now();
  if (watching && now >= nextFrame) {
    nextFrame = now + FRAME;
    if (draw()) {
      const bitmap = screen.transferToImageBitmap();
      send({ type: "frame", bitmap }, [bitmap]);
    }
  }
}

/** Draws the machine's screen; returns whether it changed. */
function draw(): boolean {
  const frame = pc?.frame(nextFrame === 0);
  if (!frame) return false;
  const { width, height } = frame;
  if (screen.width !== width || screen.height !== height) {
    screen.width = width;
    screen.height = height;
  }
  const pixels = frame.pixels as Uint8ClampedArray<ArrayBuffer>;
  frame.free();
  screen.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
  return true;
}
