// The guests of the native tests, in the page: kernels without a boot loader, CDs, other firmware.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "./browser.mjs";

const UP = "Aero guest is up.";
const MINUTE = 60_000;

/** A PC with these drives; `more` goes before its devices. */
function pc(drives, more = "") {
  return `[machine]\nmemory = "512MiB"\n${more}
[[device]]\ntype = "vga"\n[[device]]\ntype = "ps2"\n[[device]]\ntype = "serial"\n[[device]]\ntype = "hpet"
[[device]]\ntype = "fw-cfg"\n[[device]]\ntype = "ahci"\ndrives = [${drives}]\n`;
}

const DISK = '{ type = "disk", image = "demo.img" }';

/** Runs `act` in the page with a machine that has been started. */
async function withMachine(machine, act, ...args) {
  const { tab, close } = await open();
  try {
    await tab.evaluate(async (machine) => {
      window.pc = await window.Aero.create({ machine, base: "./guests/" });
      await window.pc.start();
    }, machine);
    return await tab.evaluate(act, args);
  } finally {
    await close();
  }
}

for (const [name, processor] of [["amd64", "x86_64"], ["686", "i686"]]) {
  test(`the ${name} kernel boots without a boot loader`, { timeout: 12 * MINUTE }, async () => {
    const machine = `[machine]\nmemory = "512MiB"\n[boot]\nkernel = "vmlinuz-${name}"
initrd = "initrd-${name}"\ncmdline = "console=ttyS0 nodisk"\n`;
    const output = await withMachine(
      machine,
      ([up]) => window.pc.until(up, 600_000),
      UP,
    );
    assert.ok(output.includes(`${processor}, 1 processor(s)`));
  });
}

for (const [image, text] of [["memtest.iso", "Memtest86+"], ["grub-rescue.iso", "GNU GRUB"]]) {
  test(`${image} starts from the CD drive`, { timeout: 4 * MINUTE }, async () => {
    await withMachine(
      pc(`{ type = "cd", image = "${image}" }`),
      async ([text]) => {
        const end = performance.now() + 180_000;
        while (!(await window.pc.screenText())?.includes(text)) {
          if (performance.now() > end) throw new Error(`${text} did not come on the screen`);
          await new Promise((resolve) => setTimeout(resolve, 250));
        }
      },
      text,
    );
  });
}

for (const [name, firmware] of [
  ["SeaBIOS", '[firmware]\nimage = "bios-256k.bin"\nvga_rom = "vgabios-stdvga.bin"\n'],
  ["OVMF", '[firmware]\nimage = "OVMF.fd"\n'],
]) {
  test(`${name} boots the demo disk`, { timeout: 14 * MINUTE }, async () => {
    await withMachine(pc(DISK, firmware), ([up]) => window.pc.until(up, 800_000), UP);
  });
}

test("what is written to the disk is there after a reboot of the guest", { timeout: 14 * MINUTE }, async () => {
  const output = await withMachine(
    pc(DISK),
    async ([up]) => {
      await window.pc.until(up, 400_000);
      await window.pc.until("aero# ", 60_000);
      let from = window.pc.output.length;
      window.pc.write("echo kept-$((40+2)) > /disk/note; sync; reboot -f\n");
      await window.pc.until(up, 400_000, from);
      from = window.pc.output.length;
      await window.pc.until("aero# ", 60_000, from);
      window.pc.write("cat /disk/note\n");
      return window.pc.until("kept-42", 60_000, from);
    },
    UP,
  );
  assert.ok(output.includes("kept-42"));
});
