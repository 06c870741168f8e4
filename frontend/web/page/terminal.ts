// The serial line as a terminal.

import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";

export class SerialTerminal {
  #terminal = new Terminal({ fontSize: 13, scrollback: 5000, convertEol: false });

  constructor(parent: HTMLElement, send: (text: string) => void) {
    const fit = new FitAddon();
    this.#terminal.loadAddon(fit);
    this.#terminal.open(parent);
    fit.fit();
    new ResizeObserver(() => fit.fit()).observe(parent);
    this.#terminal.onData(send);
  }

  show(bytes: Uint8Array): void {
    this.#terminal.write(bytes);
  }

  clear(): void {
    this.#terminal.reset();
  }
}
