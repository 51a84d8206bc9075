import { createServer } from "node:net";

/** A port on `host` that nothing listens on now. Another process may take it before it is used. */
export function freePort(host = "127.0.0.1"): Promise<number> {
  return listenOnce(0, host);
}

/** Whether nothing listens on `port` of `host` now. */
export async function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  try {
    await listenOnce(port, host);
    return true;
  } catch {
    return false;
  }
}

/** `preferred` while it is free, so that a restart keeps its port; else a free one. */
export async function preferredOrFreePort(
  preferred: number | undefined,
  host = "127.0.0.1",
): Promise<number> {
  if (preferred !== undefined && (await isPortFree(preferred, host))) return preferred;
  return freePort(host);
}

function listenOnce(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === "object") resolve(address.port);
        else reject(new Error(`no port could be read back from ${host}`));
      });
    });
  });
}
