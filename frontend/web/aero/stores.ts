// Images as numbered bytes, read and written synchronously: this is worker code, where that is allowed.

import { STORAGE_FOLDER, type Source } from "./protocol";

/** What the machine reads a disk image through. */
export interface Store {
  size(): number;
  readOnly(): boolean;
  /** Exactly `len` bytes from `offset`; throws if they cannot be had. */
  read(offset: number, len: number): Uint8Array;
  write(offset: number, data: Uint8Array): void;
  flush(): void;
}

/** Opens a source for reading and, where it can be, writing. */
export async function open(name: string, source: Source): Promise<Store> {
  switch (source.kind) {
    case "bytes":
      return new BytesStore(source.bytes);
    case "blob":
      return new BlobStore(source.blob);
    case "opfs":
      return OpfsStore.open(source.name);
    case "url":
      return openUrl(name, source.url);
  }
}

async function openUrl(name: string, url: string): Promise<Store> {
  const head = await fetch(url, { method: "HEAD" }).catch(() => null);
  if (!head) throw new Error(`${name}: nothing answers at ${url}`);
  if (!head.ok) throw new Error(`${name}: ${url} says ${head.status} ${head.statusText}`);
  const size = Number(head.headers.get("Content-Length"));
  if (head.headers.get("Accept-Ranges") === "bytes" && size > 0) return new UrlStore(url, size);
  return new BytesStore(new Uint8Array(await (await fetch(url)).arrayBuffer()));
}

class BytesStore implements Store {
  #bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  size() {
    return this.#bytes.length;
  }
  readOnly() {
    return true;
  }
  read(offset: number, len: number) {
    return this.#bytes.subarray(offset, offset + len);
  }
  write(): void {
    throw new Error("this image cannot be written");
  }
  flush(): void {}
}

/** A file of the user's. Each read takes its piece from the file; nothing else is kept. */
class BlobStore implements Store {
  #blob: Blob;
  #reader = new FileReaderSync();
  constructor(blob: Blob) {
    this.#blob = blob;
  }
  size() {
    return this.#blob.size;
  }
  readOnly() {
    return true;
  }
  read(offset: number, len: number) {
    return new Uint8Array(this.#reader.readAsArrayBuffer(this.#blob.slice(offset, offset + len)));
  }
  write(): void {
    throw new Error("a file of yours is never written; writes go to the overlay");
  }
  flush(): void {}
}

/** An address, read by ranges in pieces that are kept: a guest asks for near things together. */
class UrlStore implements Store {
  static readonly PIECE = 256 << 10;
  static readonly KEPT = 256;
  #url: string;
  #size: number;
  #pieces = new Map<number, Uint8Array>();
  constructor(url: string, size: number) {
    this.#url = url;
    this.#size = size;
  }
  size() {
    return this.#size;
  }
  readOnly() {
    return true;
  }
  read(offset: number, len: number) {
    const out = new Uint8Array(len);
    for (let done = 0; done < len; ) {
      const at = offset + done;
      const index = Math.floor(at / UrlStore.PIECE);
      const piece = this.#piece(index);
      const from = at - index * UrlStore.PIECE;
      const part = piece.subarray(from, Math.min(piece.length, from + len - done));
      if (part.length === 0) throw new Error(`${this.#url} is shorter than it said`);
      out.set(part, done);
      done += part.length;
    }
    return out;
  }
  #piece(index: number): Uint8Array {
    const kept = this.#pieces.get(index);
    if (kept) {
      this.#pieces.delete(index);
      this.#pieces.set(index, kept);
      return kept;
    }
    const start = index * UrlStore.PIECE;
    const end = Math.min(this.#size, start + UrlStore.PIECE) - 1;
    const request = new XMLHttpRequest();
    request.open("GET", this.#url, false);
    request.responseType = "arraybuffer";
    request.setRequestHeader("Range", `bytes=${start}-${end}`);
    request.send();
    if (request.status !== 206) {
      throw new Error(`${this.#url} says ${request.status} to a request for a range`);
    }
    const piece = new Uint8Array(request.response as ArrayBuffer);
    this.#pieces.set(index, piece);
    if (this.#pieces.size > UrlStore.KEPT) {
      this.#pieces.delete(this.#pieces.keys().next().value as number);
    }
    return piece;
  }
  write(): void {
    throw new Error("an address cannot be written; writes go to the overlay");
  }
  flush(): void {}
}

/** A file in the browser's private file system. */
class OpfsStore implements Store {
  #handle: FileSystemSyncAccessHandle;
  private constructor(handle: FileSystemSyncAccessHandle) {
    this.#handle = handle;
  }
  static async open(name: string): Promise<OpfsStore> {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(STORAGE_FOLDER, { create: true });
    const file = await folder.getFileHandle(name, { create: true });
    try {
      return new OpfsStore(await file.createSyncAccessHandle());
    } catch {
      throw new Error(`${name} is in use by another machine, perhaps in another tab`);
    }
  }
  size() {
    return this.#handle.getSize();
  }
  readOnly() {
    return false;
  }
  read(offset: number, len: number) {
    const out = new Uint8Array(len);
    const count = this.#handle.read(out, { at: offset });
    if (count < len) throw new Error(`only ${count} of ${len} bytes at ${offset} could be read`);
    return out;
  }
  write(offset: number, data: Uint8Array): void {
    // The machine's memory is shared, which the handle does not take everywhere.
    const count = this.#handle.write(data.slice() as Uint8Array<ArrayBuffer>, { at: offset });
    if (count < data.length) throw new Error("the browser's storage for this page is full");
  }
  flush(): void {
    this.#handle.flush();
  }
}
