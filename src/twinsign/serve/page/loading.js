// What the page's WebAssembly needs: a browser that can run it, and its large files.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

// Throws where there is no WebAssembly SIMD. The bytes are a module with two of its instructions.
export function requireSimd() {
  if (!globalThis.WebAssembly?.validate(new Uint8Array(SIMD))) {
    throw new Error("This browser has no WebAssembly SIMD, which this page computes with. Use a newer one: Chrome or Edge 91, Firefox 89, Safari 16.4, or later.");
  }
}

// A file that is stored as the bytes at even places, then those at odd places (twinsign.web.planes).
export async function fetchPlanes(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${new URL(address).pathname} could not be loaded (${response.status}). Reload the page.`);
  const planes = new Uint8Array(await response.arrayBuffer());
  const [whole, half] = [new Uint8Array(planes.length), Math.ceil(planes.length / 2)];
  for (let at = 0; at < half; at += 1) {
    whole[2 * at] = planes[at];
    whole[2 * at + 1] = planes[half + at]; // beyond an odd end nothing is written
  }
  return whole;
}

// The same as an address of this tab, for libraries that load by addresses.
export async function fetchPlanesAsAddress(address) {
  return URL.createObjectURL(new Blob([await fetchPlanes(address)]));
}
