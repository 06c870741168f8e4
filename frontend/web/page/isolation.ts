// Cross-origin isolation where the host cannot send the headers: a service worker adds them.

/** Registers the worker and loads the page again through it. */
export async function isolate(): Promise<void> {
  const hint =
    "this page gets no shared memory: its server must send the headers " +
    "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";
  if (!("serviceWorker" in navigator)) throw new Error(hint);
  const tried = "aero-isolation-tried";
  if (sessionStorage.getItem(tried)) throw new Error(hint);
  sessionStorage.setItem(tried, "yes");
  await navigator.serviceWorker.register("./isolation-worker.js");
  await navigator.serviceWorker.ready;
  location.reload();
}
