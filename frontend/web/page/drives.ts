// The image files that the user has given to the page.

import type { FileLike } from "../aero";

/** Files by the names a machine file calls them. */
export class Drives {
  #files = new Map<string, File>();
  #list: HTMLElement;

  constructor(input: HTMLInputElement, list: HTMLElement) {
    this.#list = list;
    input.addEventListener("change", () => {
      for (const file of input.files ?? []) this.#files.set(file.name, file);
      input.value = "";
      this.#show();
    });
  }

  files(): Record<string, FileLike> {
    return Object.fromEntries(this.#files);
  }

  #show(): void {
    this.#list.replaceChildren(
      ...[...this.#files].map(([name, file]) => {
        const item = document.createElement("li");
        const title = document.createElement("code");
        title.textContent = name;
        const size = document.createElement("span");
        size.className = "size";
        size.textContent = `${(file.size / (1 << 20)).toFixed(1)} MiB`;
        const remove = document.createElement("button");
        remove.textContent = "Remove";
        remove.onclick = () => {
          this.#files.delete(name);
          this.#show();
        };
        item.append(title, size, remove);
        return item;
      }),
    );
  }
}
