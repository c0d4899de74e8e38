// QR codes through the camera, where the browser brings a reader (Barcode Detection API: Chrome on Android has it, Safari and
// Firefox do not). The picture stays in the page.

/** @typedef {{detect: (source: HTMLVideoElement) => Promise<{rawValue: string}[]>}} Detector */
/** @typedef {{new (options: {formats: string[]}): Detector, getSupportedFormats: () => Promise<string[]>}} DetectorClass */

/** There is no camera, or the page may not use it. */
export class NoCamera extends Error {}

const detectorClass = () => /** @type {{BarcodeDetector?: DetectorClass}} */ (/** @type {unknown} */ (globalThis)).BarcodeDetector;

/** @returns {Promise<boolean>} whether this browser can read QR codes and has a way to a camera */
export async function canScan() {
  const found = detectorClass();
  return Boolean(found && navigator.mediaDevices && (await found.getSupportedFormats()).includes("qr_code"));
}

/**
 * @param {HTMLVideoElement} video shows what the camera sees @param {AbortSignal} signal ends it; the camera is let go of
 * @returns {Promise<string>} the text of the first code seen, "" when `signal` came first. Throws `NoCamera`.
 */
export async function scanCode(video, signal) {
  const found = detectorClass();
  if (!found) throw new NoCamera("this browser reads no codes");
  const detector = new found({ formats: ["qr_code"] });
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } }, audio: false });
  } catch (cause) {
    throw new NoCamera("the camera was not given", { cause });
  }
  try {
    video.srcObject = stream;
    await video.play();
    while (!signal.aborted) {
      const [code] = await detector.detect(video);
      if (code?.rawValue) return code.rawValue;
      await nextFrame(video);
    }
    return "";
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  }
}

/** @param {HTMLVideoElement} video @returns {Promise<unknown>} when there is another picture to look at */
const nextFrame = (video) => new Promise((resolve) => video.requestVideoFrameCallback(resolve));
