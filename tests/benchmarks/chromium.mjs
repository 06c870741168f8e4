// Runs one guest in Chromium, in Aero's page or in v86, and tells when each line came over its serial port.
//
//     node chromium.mjs JSON
//
// The argument: { chromium, page, peer: "aero" | "v86", machine, kernel, initrd, cmdline, memory, until };
// `machine` is Aero's machine file, whose images are called "kernel" and "initrd"; `memory` is in MiB;
// addresses are relative to `page`. Standard output is one JSON object a line:
//
//     { at, cpu, line }   seconds of the page's clock, and processor seconds of the page's process so far
//     { stats }           the machine's own statistics, at the end
//     { error }           the machine could not be built
//
// It ends when `until` has come, or when its standard input is closed.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../frontend/package.json", import.meta.url))("playwright-core");
const job = JSON.parse(process.argv[2]);

function tell(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

// A line may come in the middle of a call into the page; the end must not be lost in it.
let finish;
const finished = new Promise((resolve) => {
  finish = resolve;
});
process.stdin.on("end", () => finish("stopped")).resume();

const browser = await chromium.launch({
  executablePath: job.chromium,
  headless: true,
  args: ["--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update"],
});
const tab = await browser.newPage();

/** Seconds that the page's processes have used. Their times in /proc are in hundredths. */
let renderers = [];
function used() {
  let ticks = 0;
  for (const pid of renderers) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

await tab.exposeFunction("benchLine", (at, line) => {
  tell({ at, cpu: used(), line });
  if (line.includes(job.until)) finish("done");
});
tab.on("pageerror", (error) => tell({ at: 0, cpu: 0, line: `page: ${error}` }));
tab.on("crash", () => finish("the page crashed"));

// The time is taken in the page, as a line's last byte comes.
await tab.addInitScript(() => {
  let line = "";
  globalThis.benchByte = (byte) => {
    if (byte !== 10) {
      line += String.fromCharCode(byte);
      return;
    }
    globalThis.benchLine(performance.now() / 1000, line);
    line = "";
  };
});

async function startAero() {
  await tab.goto(job.page);
  await findRenderers();
  await tab.evaluate(async ({ machine, kernel, initrd }) => {
    const files = { kernel, initrd };
    const pc = await globalThis.Aero.create({ machine, files });
    globalThis.pc = pc;
    pc.on("serial", (bytes) => bytes.forEach(globalThis.benchByte));
    pc.on("state", ({ state, message }) => {
      if (state === "failed") globalThis.benchLine(performance.now() / 1000, `@FAIL ${message}`);
    });
    await pc.start();
  }, job);
}

async function startV86() {
  await tab.goto(new URL("v86/v86.html", job.page).href);
  await findRenderers();
  await tab.evaluate(({ kernel, initrd, cmdline, memory }) => {
    const url = (name) => ({ url: new URL(name, new URL("../", location.href)).href });
    globalThis.pc = new globalThis.V86({
      wasm_path: "lib/v86.wasm",
      bios: url("v86/bios/bios.bin"),
      vga_bios: url("v86/bios/vgabios-stdvga.bin"),
      bzimage: url(kernel),
      initrd: url(initrd),
      cmdline,
      memory_size: memory << 20,
      vga_memory_size: 8 << 20,
      disable_keyboard: true,
      disable_mouse: true,
      disable_speaker: true,
      autostart: true,
    });
    globalThis.pc.add_listener("serial0-output-byte", globalThis.benchByte);
  }, job);
}

async function findRenderers() {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

try {
  await (job.peer === "v86" ? startV86() : startAero());
  const why = await finished;
  if (why === "done" && job.peer === "aero") {
    tell({ stats: await tab.evaluate(() => globalThis.pc.stats()) });
  } else if (why !== "done" && why !== "stopped") {
    tell({ error: why });
  }
} catch (error) {
  tell({ error: String(error.message ?? error).split("\n")[0] });
}
await browser.close();
process.exit(0);
