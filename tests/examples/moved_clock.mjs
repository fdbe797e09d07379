// Moves Date.now and setInterval of an example by the seconds that stand in the file CLOCK. `new Date()` is left alone,
// so that tokens keep their age while what is remembered of the keys grows old.

import { readFileSync } from "node:fs";

const now = Date.now.bind(Date);
const every = setInterval;

Date.now = () => now() + 1000 * Number(readFileSync(process.env.CLOCK, "utf8"));

globalThis.setInterval = (act, milliseconds) => {
  let next = Date.now() + milliseconds;
  return every(() => {
    if (Date.now() < next) return;
    next = Date.now() + milliseconds;
    act();
  }, 50);
};
