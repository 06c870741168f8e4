// Chromium with the page open, for the tests.

import { chromium } from "playwright-core";

const page = process.env.AERO_PAGE;
const executablePath = process.env.AERO_CHROMIUM;
if (!page || !executablePath) {
  throw new Error("these tests are run by `cargo xtask test --browser`, which serves the page");
}

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan",
  "--use-vulkan=swiftshader",
  "--use-webgpu-adapter=swiftshader",
  "--use-angle=swiftshader",
  "--ignore-gpu-blocklist",
];

/** Opens the page; returns it and a function that closes everything. */
export async function open(query = "") {
  const browser = await chromium.launch({ executablePath, headless: true, args: ARGUMENTS });
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 } });
  const tab = await context.newPage();
  const problems = [];
  tab.on("pageerror", (error) => problems.push(String(error)));
  tab.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  await tab.goto(page + query);
  return { tab, problems, close: () => browser.close() };
}
