// Tells whoever chooses a password how far its length goes. Whether it can be guessed is judged by the server alone.
(() => {
  const GOOD = 15; // what OWASP ASVS 6.2.1 recommends
  const field = document.getElementById("password");
  const words = document.getElementById("password-length");
  if (!field || !words) return;

  const describe = () => {
    const length = [...field.value.normalize("NFKC")].length;
    if (length < Number(words.dataset.least)) return words.dataset.short;
    return length < GOOD ? words.dataset.enough : words.dataset.good;
  };

  field.addEventListener("input", () => {
    const sentence = field.value ? describe() : "";
    if (words.textContent !== sentence) words.textContent = sentence; // or it would be read aloud at every key
    words.hidden = !sentence;
  });
})();
