// A Web Worker: for each puzzle, the first number n for which SHA-256("<challenge>:<puzzle>:<n>") begins with `bits`
// zero bits. Posts one number at a time; null when this browser cannot compute SHA-256 here.
const BATCH = 64; // digests at the same time, since each one is a task of its own

const zeroBits = (buffer) => {
  const bytes = new Uint8Array(buffer);
  const whole = bytes.findIndex((byte) => byte !== 0);
  return whole < 0 ? 8 * bytes.length : 8 * whole + Math.clz32(bytes[whole]) - 24;
};

const solve = async (challenge, puzzle, bits) => {
  const encoder = new TextEncoder();
  for (let first = 0; ; first += BATCH) {
    const digests = await Promise.all(
      Array.from({ length: BATCH }, (_, offset) =>
        self.crypto.subtle.digest("SHA-256", encoder.encode(`${challenge}:${puzzle}:${first + offset}`)),
      ),
    );
    const found = digests.findIndex((digest) => zeroBits(digest) >= bits);
    if (found >= 0) return first + found;
  }
};

self.addEventListener("message", async ({ data: { challenge, puzzles, bits } }) => {
  if (!self.crypto?.subtle) return self.postMessage(null);
  for (let puzzle = 0; puzzle < puzzles; puzzle += 1) self.postMessage(await solve(challenge, puzzle, bits));
});
