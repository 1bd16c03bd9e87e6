// Copy buttons: <button data-copy> copies the code of its block. The clipboard API exists only on https and
// localhost; elsewhere a selection is copied. Says so in words, for screen readers too.
(function () {
  "use strict";

  const said = document.getElementById("announcement");

  function textOf(button) {
    if (button.dataset.copy) return button.dataset.copy;
    return button.closest(".code-block").querySelector("code").textContent;
  }

  function copyBySelection(text) {
    const area = document.createElement("textarea");
    area.value = text;
    area.readOnly = true;
    area.className = "unseen";
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    let done = false;
    try {
      done = document.execCommand("copy");
    } catch {
      done = false;
    }
    area.remove();
    if (focused) focused.focus({ preventScroll: true });
    return done;
  }

  async function copy(text) {
    if (window.isSecureContext && navigator.clipboard) {
      try {
        await navigator.clipboard.writeText(text);
        return true;
      } catch {
        // Not allowed (an embedding page's policy): the other way may work.
      }
    }
    return copyBySelection(text);
  }

  document.addEventListener("click", async function (event) {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const done = await copy(textOf(button));
    const words = button.querySelector(".copy-words");
    words.textContent = done ? "Copied" : "Press Ctrl+C";
    if (done) {
      button.dataset.copied = "";
    } else {
      const code = button.closest(".code-block").querySelector("code");
      window.getSelection().selectAllChildren(code);
    }
    if (said) {
      said.textContent = "";
      // A text that is the same as before is not read again: set it in a new turn.
      setTimeout(function () {
        said.textContent = done
          ? (button.dataset.copyLabel || "Text") + " copied to the clipboard"
          : "Copying is not allowed here; the text is selected, press Control and C";
      }, 30);
    }
    setTimeout(function () {
      words.textContent = "Copy";
      delete button.dataset.copied;
    }, 2500);
  });
})();
