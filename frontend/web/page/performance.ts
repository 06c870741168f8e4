// What the machine's counters say, laid over a corner of the screen.

import type { Aero, Stats } from "../aero";

/** Between two looks, in milliseconds. */
const PERIOD = 500;
/** Of a table of counters, so many rows are shown: those that rise fastest. */
const ROWS = 6;

interface Look {
  at: number;
  frames: number;
  stats: Stats;
}

type Counters = Record<string, unknown>;

export class PerformanceOverlay {
  #element: HTMLElement;
  #machine: () => Aero | null;
  #last: Look | null = null;
  #timer = 0;

  constructor(element: HTMLElement, button: HTMLButtonElement, machine: () => Aero | null) {
    this.#element = element;
    this.#machine = machine;
    const toggle = () => {
      element.hidden = !element.hidden;
      button.setAttribute("aria-pressed", String(!element.hidden));
      clearInterval(this.#timer);
      this.#last = null;
      if (element.hidden) return;
      element.textContent = "…";
      this.#timer = window.setInterval(() => void this.#look(), PERIOD);
    };
    button.addEventListener("click", toggle);
    // Before the machine's keyboard sees it.
    window.addEventListener(
      "keydown",
      (event) => {
        if (!event.ctrlKey || !event.altKey || event.code !== "KeyP") return;
        event.preventDefault();
        event.stopPropagation();
        toggle();
      },
      { capture: true },
    );
  }

  async #look(): Promise<void> {
    const pc = this.#machine();
    if (!pc || pc.state !== "running") {
      this.#last = null;
      this.#element.textContent = "The machine is not running.";
      return;
    }
    const stats = await pc.stats().catch(() => null);
    if (!stats || this.#machine() !== pc) return;
    const now = { at: performance.now(), frames: pc.frames, stats };
    // Numbers that went down are those of another machine.
    if (this.#last && this.#last.stats.instructions <= stats.instructions) this.#show(this.#last, now);
    this.#last = now;
  }

  #show(before: Look, now: Look): void {
    const seconds = (now.at - before.at) / 1000;
    const [old, stats] = [before.stats, now.stats];
    const busy = stats.host_seconds - old.host_seconds;
    const mips = (stats.instructions - old.instructions) / 1e6;
    const rows = [
      row("MIPS", (mips / seconds).toFixed(1), busy > 0 ? `${(mips / busy).toFixed(1)} while busy` : ""),
      row("Busy", `${Math.min(100, (busy / seconds) * 100).toFixed(0)} %`),
      row("Frames", `${((now.frames - before.frames) / seconds).toFixed(0)}/s`),
    ];
    const table = document.createElement("table");
    const parts: Node[] = [table];
    const jit = counters(stats.jit);
    const tiers = shares(counters(counters(old.jit).instructions), counters(jit.instructions));
    if (tiers.length > 0) {
      parts.unshift(bar(tiers));
      for (const [tier, share] of tiers) rows.push(row(tier, `${(share * 100).toFixed(1)} %`));
    }
    for (const [name, value] of Object.entries(jit)) {
      if (typeof value === "number") rows.push(counter(name, counters(old.jit)[name], value, seconds));
    }
    for (const [name, value] of Object.entries(jit)) {
      if (name !== "instructions") rows.push(...fastest(name, counters(old.jit)[name], value, seconds));
    }
    rows.push(...fastest("device accesses", old.exits, stats.exits, seconds));
    table.append(...rows);
    this.#element.replaceChildren(...parts);
  }
}

/** The fields of an object, or none. */
function counters(value: unknown): Counters {
  return typeof value === "object" && value !== null ? (value as Counters) : {};
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** Of what was counted in the meantime, the part of each. */
function shares(old: Counters, now: Counters): [string, number][] {
  const parts = Object.keys(now).map((name): [string, number] => [name, number(now[name]) - number(old[name])]);
  const sum = parts.reduce((sum, [, part]) => sum + part, 0);
  return sum > 0 ? parts.map(([name, part]) => [name, part / sum]) : [];
}

function bar(tiers: [string, number][]): HTMLElement {
  const bar = document.createElement("div");
  bar.className = "shares";
  for (const [name, share] of tiers) {
    const part = document.createElement("span");
    part.title = name;
    part.style.flexGrow = String(share);
    bar.append(part);
  }
  return bar;
}

/** A title and the counters that rise fastest. */
function fastest(title: string, old: unknown, now: unknown, seconds: number): HTMLTableRowElement[] {
  const [before, after] = [counters(old), counters(now)];
  const rates = Object.keys(after)
    .map((name): [string, number] => [name, (number(after[name]) - number(before[name])) / seconds])
    .filter(([, rate]) => rate > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, ROWS);
  if (rates.length === 0) return [];
  const head = document.createElement("tr");
  const cell = document.createElement("th");
  cell.colSpan = 3;
  cell.textContent = words(title);
  head.append(cell);
  return [head, ...rates.map(([name, rate]) => row(name, `${short(rate)}/s`))];
}

function counter(name: string, old: unknown, now: number, seconds: number): HTMLTableRowElement {
  const rate = (now - number(old)) / seconds;
  const value = name.endsWith("bytes") ? `${short(now)}B` : short(now);
  return row(name, value, rate > 0 ? `${short(rate)}/s` : "");
}

function row(name: string, value: string, more = ""): HTMLTableRowElement {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.textContent = words(name);
  row.append(head);
  for (const text of [value, more]) {
    const cell = document.createElement("td");
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

function words(name: string): string {
  return name.replaceAll("_", " ");
}

function short(value: number): string {
  for (const [unit, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (value >= unit) return `${(value / unit).toFixed(1)} ${letter}`;
  }
  return value.toFixed(0);
}
