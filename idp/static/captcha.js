// Fills in the answer of a CAPTCHA whose form field is ours: the built-in proof of work, or the token of reCAPTCHA v3.
(() => {
  const answer = document.getElementById("captcha-answer");
  if (!answer) return;
  const form = answer.form;
  let waiting = null; // the button that was pressed before the answer was there

  const send = () => {
    if (!waiting) return;
    const { submitter } = waiting;
    waiting = null;
    form.requestSubmit(submitter);
  };

  const holdUntilAnswered = (begin) => {
    form.addEventListener("submit", (event) => {
      if (answer.value) return;
      event.preventDefault();
      if (waiting) return;
      waiting = { submitter: event.submitter };
      begin();
    });
    // A page from the browser's memory would send an answer that has been used.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) window.location.reload();
    });
  };

  const prove = (place) => {
    const { challenge, puzzles, bits, worker, working, waiting: soon, done, failed } = place.dataset;
    const status = document.getElementById("captcha-status");
    const progress = document.getElementById("captcha-progress");
    const numbers = [];
    let solver = null;
    let broken = false;

    const give_up = () => {
      broken = true;
      waiting = null;
      progress.hidden = true;
      status.textContent = failed;
    };
    const begin = () => {
      if (broken) {
        waiting = null;
        return;
      }
      if (waiting) status.textContent = soon;
      if (solver) return;
      place.hidden = false;
      if (!waiting) status.textContent = working;
      solver = new Worker(worker);
      solver.addEventListener("error", give_up);
      solver.addEventListener("message", ({ data }) => {
        if (data === null) return give_up();
        numbers.push(data);
        progress.value = numbers.length;
        if (numbers.length < Number(puzzles)) return;
        solver.terminate();
        answer.value = `${challenge}~${numbers.join(",")}`;
        status.textContent = done;
        send();
      });
      solver.postMessage({ challenge, puzzles: Number(puzzles), bits: Number(bits) });
    };
    holdUntilAnswered(begin);
    // At the first sign of a person: a page that is only looked at costs no battery.
    for (const sign of ["input", "pointerdown", "keydown"]) form.addEventListener(sign, begin, { once: true });
  };

  const score = (place) => {
    const { siteKey, action } = place.dataset;
    const PATIENCE = 10_000; // milliseconds
    const give = (token) => {
      if (!waiting) return;
      answer.value = token;
      send();
    };
    // Where the vendor's script did not come, or does not answer, the server decides what that means.
    const give_none = () => give("unavailable");
    holdUntilAnswered(() => {
      const api = window.grecaptcha;
      if (!api) {
        setTimeout(give_none); // after this event: a form that is being submitted ignores requestSubmit
        return;
      }
      setTimeout(give_none, PATIENCE);
      api.ready(() => api.execute(siteKey, { action }).then(give, give_none));
    });
  };

  const work = document.getElementById("captcha-work");
  if (work) prove(work);
  const scored = document.getElementById("captcha-score");
  if (scored) score(scored);
})();
