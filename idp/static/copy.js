// Puts a file on the clipboard. Without this script, or where the browser has no clipboard, the buttons stay hidden.
(() => {
  if (!navigator.clipboard) return;

  for (const button of document.querySelectorAll("button[data-copies]")) {
    const source = document.getElementById(button.dataset.copies);
    const status = document.createElement("span");
    status.className = "hint";
    status.setAttribute("role", "status");
    button.after(status);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(source.textContent);
      status.textContent = button.dataset.done;
    });
    button.hidden = false;
  }
})();
