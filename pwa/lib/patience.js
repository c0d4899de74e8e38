// Requests that are given up when the line is silent, not when it is slow: a scan of 4 MB takes a quarter of an hour at 32 kbit/s.

// 120 s without a byte: at 32 kbit/s three chunks in flight take 8 s before the first answer, of the largest 24, behind a cut of 30.
export const SILENCE_MS = 120_000;

/**
 * @param {typeof fetch} send @param {string} url @param {RequestInit} options its `signal` is ours
 * @returns {Promise<Response>} Rejects as fetch does; so does the reading of its body once nothing has come for `SILENCE_MS`.
 */
export async function fetchPatiently(send, url, options) {
  const silence = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const rest = () => clearTimeout(timer);
  const listen = () => {
    rest();
    timer = setTimeout(() => silence.abort(new DOMException("nothing came for too long", "TimeoutError")), SILENCE_MS);
  };
  listen();
  try {
    const response = await send(url, { ...options, signal: silence.signal });
    listen();
    const body = response.body?.pipeThrough(new TransformStream({
      transform(piece, out) { listen(); out.enqueue(piece); },
      flush: rest,
    }));
    if (!body) rest();
    return new Response(body ?? null, { status: response.status, statusText: response.statusText, headers: response.headers });
  } catch (cause) {
    rest();
    throw cause;
  }
}
