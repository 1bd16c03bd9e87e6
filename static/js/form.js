// The form of a server: the outcome of a test replaces the one before; what was typed stays where it is.
(function () {
  "use strict";

  const form = document.getElementById("server-form");

  // Errors stand beside their fields: tell assistive technology which fields they are about.
  function mark() {
    const outcome = document.getElementById("outcome");
    const wrong = outcome ? outcome.dataset.wrongField : "";
    for (const place of form.querySelectorAll(".field-error")) {
      const name = place.id.slice("error-".length);
      const field = document.getElementById("id_" + name);
      if (!field) continue;
      const said = place.textContent.trim();
      if (said || name === wrong) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
      const about = new Set((field.getAttribute("aria-describedby") || "").split(" ").filter(Boolean));
      if (said) about.add(place.id);
      else about.delete(place.id);
      field.setAttribute("aria-describedby", Array.from(about).join(" "));
    }
  }

  document.body.addEventListener("htmx:beforeRequest", function (event) {
    if (event.detail.elt !== form) return;
    const outcome = document.getElementById("outcome");
    const waiting = document.createElement("p");
    waiting.className = "waiting";
    waiting.setAttribute("role", "status");
    waiting.textContent = "Connecting. This takes up to five seconds.";
    outcome.replaceChildren(waiting);
  });

  // 422: not saved, and why. htmx would drop it.
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    const status = event.detail.xhr.status;
    if (status === 422 || status === 429) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  document.body.addEventListener("htmx:afterSettle", function () {
    mark();
    const outcome = document.getElementById("outcome");
    if (outcome && outcome.textContent.trim()) outcome.focus({ preventScroll: true });
  });

  function failed() {
    const outcome = document.getElementById("outcome");
    const said = document.createElement("p");
    said.className = "form-error";
    said.setAttribute("role", "alert");
    said.textContent = "pgLoupe did not answer, nothing is saved. Try again; if you were logged out, log in in another tab first.";
    outcome.replaceChildren(said);
  }
  document.body.addEventListener("htmx:sendError", failed);
  document.body.addEventListener("htmx:responseError", failed);

  mark();
})();
