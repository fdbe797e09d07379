// Lets a person look at the password they are typing. Without this script the button stays hidden.
(() => {
  const button = document.getElementById("show-password");
  const field = document.getElementById("password");
  if (!button || !field) return;

  const show = (visible) => {
    field.type = visible ? "text" : "password";
    button.textContent = visible ? button.dataset.hide : button.dataset.show;
    button.setAttribute("aria-label", visible ? button.dataset.hideLabel : button.dataset.showLabel);
  };

  button.addEventListener("click", () => {
    show(field.type === "password");
    field.focus();
  });
  // Browsers offer to save only what is in a password field; and the word should not stay readable in the history.
  field.form.addEventListener("submit", () => show(false));
  button.hidden = false;
})();
