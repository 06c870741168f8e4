// Keyboard and mouse of the page, handed to the machine.

import type { Aero } from "../aero";

/** Buttons as the machine numbers them, by the bits of `MouseEvent.buttons`: the same. */
const WHEEL_STEP = 100;

/** Types into the machine while `frame` has the focus; takes the mouse while the pointer is locked. */
export function captureInput(
  frame: HTMLElement,
  canvas: HTMLCanvasElement,
  machine: () => Aero | null,
): void {
  const held = new Set<string>();
  const release = () => {
    for (const code of held) machine()?.key(code, false);
    held.clear();
  };
  const locked = () => document.pointerLockElement === canvas;

  frame.addEventListener("keydown", (event) => {
    event.preventDefault();
    if (event.ctrlKey && event.altKey && locked()) document.exitPointerLock();
    // The machine's keyboard repeats by itself.
    if (event.repeat) return;
    held.add(event.code);
    machine()?.key(event.code, true);
  });
  frame.addEventListener("keyup", (event) => {
    event.preventDefault();
    held.delete(event.code);
    machine()?.key(event.code, false);
  });
  frame.addEventListener("blur", release);

  canvas.addEventListener("mousedown", (event) => {
    if (!locked()) {
      frame.focus();
      // Without a right to lock (headless, sandboxed) the keyboard works all the same.
      void Promise.resolve(canvas.requestPointerLock()).catch(() => {});
      return;
    }
    machine()?.mouse(0, 0, 0, event.buttons);
  });
  canvas.addEventListener("mouseup", (event) => {
    if (locked()) machine()?.mouse(0, 0, 0, event.buttons);
  });
  canvas.addEventListener("mousemove", (event) => {
    if (locked()) machine()?.mouse(event.movementX, event.movementY, 0, event.buttons);
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!locked()) return;
      event.preventDefault();
      const steps = Math.sign(event.deltaY) * Math.max(1, Math.round(Math.abs(event.deltaY) / WHEEL_STEP));
      machine()?.mouse(0, 0, steps, event.buttons);
    },
    { passive: false },
  );
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
}
