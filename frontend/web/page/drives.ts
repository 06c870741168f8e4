// The image files that the user has given to the page, and those in the browser's own storage.

import { type FileLike, STORAGE_FOLDER } from "../aero";

/** Bytes copied between two reports of progress. */
const PIECE = 8 << 20;

/** Files by the names a machine file calls them. */
export class Drives {
  #files = new Map<string, File>();
  #stored = new Map<string, number>();
  #list: HTMLElement;
  #say: (text: string) => void;

  constructor(input: HTMLInputElement, list: HTMLElement, say: (text: string) => void) {
    this.#list = list;
    this.#say = say;
    input.addEventListener("change", () => {
      for (const file of input.files ?? []) this.#files.set(file.name, file);
      input.value = "";
      this.#show();
    });
    void this.refresh();
  }

  /** All files by name; one of the user's stands before a stored one of the same name. */
  files(): Record<string, FileLike> {
    const all: Record<string, FileLike> = {};
    for (const name of this.#stored.keys()) all[name] = { kind: "opfs", name };
    return { ...all, ...Object.fromEntries(this.#files) };
  }

  /** Looks again at what is in the browser's storage. */
  async refresh(): Promise<void> {
    this.#stored.clear();
    const folder = await storage();
    for await (const [name, handle] of folder.entries()) {
      if (handle.kind !== "file") continue;
      this.#stored.set(name, (await (handle as FileSystemFileHandle).getFile()).size);
    }
    this.#show();
  }

  /** Copies a file into the browser's storage, where it can be written. */
  async #keep(file: File): Promise<void> {
    const folder = await storage();
    const handle = await folder.getFileHandle(file.name, { create: true });
    const writer = await handle.createWritable();
    for (let at = 0; at < file.size; at += PIECE) {
      await writer.write(file.slice(at, at + PIECE));
      this.#say(`Storing ${file.name}: ${Math.round((100 * at) / file.size)} %`);
    }
    await writer.close();
    this.#say(`${file.name} is in this browser's storage`);
    this.#files.delete(file.name);
    await this.refresh();
  }

  async #forget(name: string): Promise<void> {
    if (!confirm(`Delete ${name} from this browser's storage? What a machine wrote there is lost.`)) {
      return;
    }
    await (await storage()).removeEntry(name);
    await this.refresh();
  }

  #show(): void {
    const rows = [...this.#files].map(([name, file]) =>
      row(name, file.size, "from your computer", {
        "Store in the browser": () => this.#run(this.#keep(file)),
        Remove: () => {
          this.#files.delete(name);
          this.#show();
        },
      }),
    );
    for (const [name, size] of this.#stored) {
      rows.push(row(name, size, "in the browser", { Delete: () => this.#run(this.#forget(name)) }));
    }
    this.#list.replaceChildren(...rows);
  }

  #run(work: Promise<void>): void {
    work.catch((error: unknown) => this.#say(error instanceof Error ? error.message : String(error)));
  }
}

async function storage(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(STORAGE_FOLDER, { create: true });
}

function row(name: string, size: number, where: string, actions: Record<string, () => void>): Node {
  const item = document.createElement("li");
  const title = document.createElement("code");
  title.textContent = name;
  const note = document.createElement("span");
  note.className = "size";
  note.textContent = `${(size / (1 << 20)).toFixed(1)} MiB, ${where}`;
  item.append(title, note);
  for (const [label, act] of Object.entries(actions)) {
    const button = document.createElement("button");
    button.textContent = label;
    button.onclick = act;
    item.append(button);
  }
  return item;
}
