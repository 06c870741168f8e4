// The page: a machine, its screen, its serial line, its machine file and its drives.

import demo from "../../machines/demo.toml?raw";
import { Aero } from "../aero";
import { Drives } from "./drives";
import { captureInput } from "./input";
import { isolate } from "./isolation";
import { PerformanceOverlay } from "./performance";
import { SerialTerminal } from "./terminal";

declare global {
  interface Window {
    /** The class, for scripts. */
    Aero: typeof Aero;
    /** The machine of this page, once there is one. */
    aero: Aero | null;
  }
}

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

const buttons = {
  start: element<HTMLButtonElement>("start"),
  pause: element<HTMLButtonElement>("pause"),
  reset: element<HTMLButtonElement>("reset"),
  power: element<HTMLButtonElement>("power"),
  screenshot: element<HTMLButtonElement>("screenshot"),
  save: element<HTMLButtonElement>("save"),
  load: element<HTMLButtonElement>("load"),
};
const status = element<HTMLOutputElement>("status");
const speed = element<HTMLOutputElement>("speed");
const message = element<HTMLParagraphElement>("message");
const editor = element<HTMLTextAreaElement>("editor");
const canvas = element<HTMLCanvasElement>("screen");
const backend = element<HTMLSelectElement>("backend");

const drives = new Drives(element("file"), element("files"), (text) => {
  status.textContent = text;
});
const terminal = new SerialTerminal(element("terminal"), (text) => window.aero?.write(text));
captureInput(element("screen-frame"), canvas, () => window.aero);
new PerformanceOverlay(element("overlay"), element("performance"), () => window.aero);

window.Aero = Aero;
window.aero = null;

const STORED = "aero-machine";
editor.value = localStorage.getItem(STORED) ?? demo;
editor.addEventListener("input", () => {
  // The demo itself is not kept, so that a newer page shows its newer demo.
  if (editor.value === demo) localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, editor.value);
});

const STORED_BACKEND = "aero-backend";
backend.value = localStorage.getItem(STORED_BACKEND) ?? "";
backend.addEventListener("change", () => localStorage.setItem(STORED_BACKEND, backend.value));

/** Values laid over the machine file: what was chosen here, then those of `?set=key=value&set=…`. */
function sets(): string[] {
  const chosen = backend.value ? [`cpu.backend=${backend.value}`] : [];
  return [...chosen, ...new URLSearchParams(location.search).getAll("set")];
}

function show(error: unknown): void {
  message.textContent = error instanceof Error ? error.message : String(error);
  message.hidden = false;
}

function update(): void {
  const pc = window.aero;
  const state = pc?.state ?? "off";
  buttons.start.textContent = pc && state === "paused" ? "Continue" : "Start";
  buttons.start.disabled = state === "running";
  buttons.pause.disabled = state !== "running";
  for (const name of ["reset", "power", "screenshot", "save", "load"] as const) {
    buttons[name].disabled = !pc || state === "off" || state === "failed";
  }
  status.textContent = pc
    ? { running: "Running", paused: "Paused", off: "Off", failed: "Stopped by an error" }[state]
    : "Not started";
}

async function build(): Promise<Aero> {
  window.aero?.destroy();
  window.aero = null;
  terminal.clear();
  status.textContent = "Building the machine…";
  buttons.start.disabled = true;
  const pc = await Aero.create({
    machine: editor.value,
    set: sets(),
    files: drives.files(),
    base: "./guests/",
    canvas,
  });
  pc.on("serial", (bytes) => terminal.show(bytes));
  pc.on("progress", ({ what, done, total }) => {
    status.textContent = `${what} (${done} of ${total})`;
  });
  pc.on("state", ({ state, message }) => {
    if (state === "failed") show(message);
    update();
  });
  pc.on("log", ({ level, message }) => {
    (level === "error" ? console.error : console.info)(message);
  });
  window.aero = pc;
  void drives.refresh();
  return pc;
}

/** Wraps what a button does: errors are shown, the buttons follow. */
function action(button: HTMLButtonElement, run: () => Promise<unknown>): void {
  button.addEventListener("click", () => {
    message.hidden = true;
    run().catch(show).finally(update);
  });
}

action(buttons.start, async () => {
  const pc = window.aero;
  const going = pc && pc.state === "paused" ? pc : await build();
  await going.start();
  element("screen-frame").focus();
});
action(buttons.pause, async () => window.aero?.pause());
action(buttons.reset, async () => window.aero?.reset());
action(buttons.power, async () => window.aero?.powerButton());
action(buttons.screenshot, async () => {
  const blob = await window.aero?.screenshot();
  if (blob) download(blob, "aero.png");
});
action(buttons.save, async () => {
  status.textContent = "Saving the state…";
  const bytes = await window.aero?.snapshot();
  if (bytes) download(new Blob([bytes as Uint8Array<ArrayBuffer>]), "machine.aerosnap");
});
action(buttons.load, async () => {
  const file = await pick();
  if (file) await window.aero?.restore(new Uint8Array(await file.arrayBuffer()));
});

function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function pick(): Promise<File | null> {
  return new Promise((resolve) => {
    const input = document.createElement("input");
    input.type = "file";
    input.onchange = () => resolve(input.files?.[0] ?? null);
    input.oncancel = () => resolve(null);
    input.click();
  });
}

let last = { instructions: 0, at: 0 };
setInterval(async () => {
  const pc = window.aero;
  if (!pc || pc.state !== "running") {
    speed.textContent = "";
    return;
  }
  const { instructions } = await pc.stats();
  const at = performance.now();
  const mips = (instructions - last.instructions) / (at - last.at) / 1000;
  if (last.at > 0 && mips >= 0) speed.textContent = `${mips.toFixed(1)} MIPS`;
  last = { instructions, at };
}, 1000);

if (!globalThis.crossOriginIsolated) isolate().catch(show);
update();
if (location.hash === "#start") buttons.start.click();
