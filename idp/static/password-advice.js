// Tells whoever chooses a password how far it goes: its length, and that it is made of their own name, of one piece
// again and again, or of a row. The server refuses these too; whether anything else can be guessed, it judges alone.
(() => {
  const GOOD = 15; // what OWASP ASVS 6.2.1 recommends
  const OWN = /^(given-name|family-name|username|email)$/;
  const field = document.getElementById("password");
  const words = document.getElementById("password-advice");
  if (!field || !words) return;

  const fold = (text) => text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "");

  // What the form says of the person, in words: an address without its top-level domain.
  const ownWords = () =>
    [...field.form.elements]
      .filter((each) => OWN.test(each.autocomplete))
      .flatMap((each) => {
        const [name, host = ""] = fold(each.value).split("@");
        return `${name} ${host.split(".").slice(0, -1).join(" ")}`.split(/[^\p{L}\p{N}]+/u);
      })
      .filter((word) => word.length > 2)
      .sort((one, other) => other.length - one.length);

  // Little remains without these words: a few letters, and no more digits than a date has.
  const isOwn = (text) => {
    const folded = fold(text);
    const rest = ownWords().reduce((left, word) => left.replaceAll(word, " "), folded);
    const count = (kind) => (rest.match(kind) ?? []).length;
    return rest !== folded && count(/\p{L}/gu) < 4 && count(/[\p{L}\p{N}]/gu) < 9;
  };

  const isRow = (text) => {
    const codes = [...text].map((character) => character.codePointAt(0));
    const step = codes[1] - codes[0];
    return Math.abs(step) === 1 && codes.every((code, place) => !place || code - codes[place - 1] === step);
  };

  const describe = () => {
    const text = field.value.normalize("NFKC");
    const length = [...text].length;
    if (length < Number(words.dataset.least)) return words.dataset.short;
    if (isOwn(text)) return words.dataset.own;
    if (/^(.{1,4})\1+$/u.test(text) || isRow(text)) return words.dataset.guessed;
    return length < GOOD ? words.dataset.enough : words.dataset.good;
  };

  field.addEventListener("input", () => {
    const sentence = field.value ? describe() : "";
    if (words.textContent !== sentence) words.textContent = sentence; // or it would be read aloud at every key
    words.hidden = !sentence;
  });
})();
