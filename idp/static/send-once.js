// A second press of Enter, or of a button, while the first is on its way would replace the first one's answer by one
// that says "used already": most of what our forms carry is good once.
(() => {
  const PAUSE = 5000; // milliseconds; who gave up waiting for the next page may send the form again
  let sent = new WeakMap(); // form → when

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
    if (performance.now() - (sent.get(form) ?? -PAUSE) < PAUSE) event.preventDefault();
    else sent.set(form, performance.now());
  });
  // Whoever comes back to a page that the browser has kept starts anew.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) sent = new WeakMap();
  });
})();
