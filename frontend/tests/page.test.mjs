// The page in a real browser: what a person does with it.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { open } from "./browser.mjs";

const UP = "Aero guest is up.";
const MINUTE = 60_000;
mkdirSync(new URL("../../target/screenshots/", import.meta.url), { recursive: true });

function shot(name) {
  return new URL(`../../target/screenshots/${name}.png`, import.meta.url).pathname;
}

test("the demo boots from its disk to a shell that can be typed into", { timeout: 12 * MINUTE }, async () => {
  const { tab, problems, close } = await open();
  try {
    await tab.click("#start");
    await tab.waitForFunction(() => window.aero?.state === "running", null, { timeout: MINUTE });
    await tab.evaluate(([text, time]) => window.aero.until(text, time), [UP, 10 * MINUTE]);
    // Over the serial line …
    await tab.evaluate(async () => {
      const from = window.aero.output.length;
      window.aero.write("echo serial-$((6*7))\n");
      await window.aero.until("serial-42", 60_000, from);
    });
    // … and with the keyboard, on the screen.
    await tab.focus("#screen-frame");
    await tab.keyboard.type("echo screen-$((2+3))\n", { delay: 80 });
    await tab.waitForFunction(
      async () => (await window.aero.screenText())?.includes("screen-5"),
      null,
      { timeout: MINUTE, polling: 500 },
    );
    const stats = await tab.evaluate(() => window.aero.stats());
    console.log(`booted in Chromium: ${(stats.instructions / stats.host_seconds / 1e6).toFixed(1)} MIPS,`,
      `${stats.host_seconds.toFixed(1)} s of running`);
    await tab.screenshot({ path: shot("demo") });
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
});

test("a script boots a kernel directly, pauses it, saves it and goes on", { timeout: 12 * MINUTE }, async () => {
  const { tab, close } = await open();
  try {
    const result = await tab.evaluate(async (up) => {
      const machine =
        '[machine]\nmemory = "256MiB"\n[boot]\nkernel = "k"\ninitrd = "i"\ncmdline = "console=ttyS0 nodisk"\n';
      const files = { k: "./guests/vmlinuz-686", i: "./guests/initrd-686" };
      const pc = await window.Aero.create({ machine, files });
      await pc.start();
      await pc.until(up, 600_000);
      await pc.pause();
      const saved = await pc.snapshot();
      pc.destroy();
      const other = await window.Aero.create({ machine, files });
      await other.restore(saved);
      await other.start();
      other.write("echo again-$((40+2))\n");
      await other.until("again-42", 60_000);
      other.destroy();
      return saved.length;
    }, UP);
    assert.ok(result > 1 << 20);
  } finally {
    await close();
  }
});

test("mistakes in the machine file are shown with their place", { timeout: 3 * MINUTE }, async () => {
  const { tab, close } = await open();
  try {
    for (const [text, expected] of [
      ['[machine]\nmemmory = "1GiB"\n', "machine.toml:2"],
      ['[machine]\nmemory = "0MiB"\n', "memory"],
      ['[[device]]\ntype = "toaster"\n', "toaster"],
      ['[boot]\nkernel = "missing"\n', "missing"],
    ]) {
      await tab.fill("#editor", text);
      await tab.click("#start");
      await tab.waitForSelector("#message:not([hidden])", { timeout: MINUTE });
      const shown = await tab.textContent("#message");
      assert.ok(shown.includes(expected), `${JSON.stringify(shown)} names ${expected}`);
      assert.ok(!shown.trim().includes("\n"), "one line");
    }
  } finally {
    await close();
  }
});
