// Generated code in a real browser: whether it runs as the machine needs it, and what that costs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "./browser.mjs";

test("generated modules run on the machine's memory and table, and a thread prepares them", { timeout: 180_000 }, async () => {
  const { tab, problems, close } = await open();
  try {
    const costs = await tab.evaluate(() => window.Aero.checkCode());
    const us = (value) => `${value.toFixed(0)} µs`;
    console.log(
      `enter ${costs.enter.toFixed(1)} ns, helper ${costs.helper.toFixed(1)} ns,`,
      `tail call between modules ${costs.tail_call.toFixed(1)} ns`,
    );
    for (const [how, modules] of [["alone", costs.modules], ["prepared by a thread", costs.prepared_modules]]) {
      assert.ok(modules, "there is a thread");
      for (const { bytes, preparing, install, first_call } of modules) {
        console.log(
          `module of ${bytes} bytes, ${how}: install ${us(install)}, first call ${us(first_call)},`,
          `on the thread ${us(preparing)}`,
        );
      }
    }
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
});
