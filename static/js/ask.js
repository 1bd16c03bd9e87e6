// A question to the planner twin: say that it is being answered, show also the answers that say no.
(function () {
  "use strict";

  function place(form) {
    return document.querySelector(form.getAttribute("hx-target"));
  }

  function say(form, words, role, kind) {
    const said = document.createElement("p");
    said.className = kind;
    said.setAttribute("role", role);
    said.textContent = words;
    place(form).replaceChildren(said);
  }

  document.body.addEventListener("htmx:beforeRequest", function (event) {
    const form = event.detail.elt;
    if (form.matches("[data-ask]")) say(form, form.dataset.ask, "status", "waiting");
  });

  // 422: it cannot be answered, and why; 429: too many questions; 503: not now. htmx would drop them.
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    const status = event.detail.xhr.status;
    if (event.detail.requestConfig.elt.matches("[data-ask]") && [422, 429, 503].includes(status)) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  document.body.addEventListener("htmx:afterSettle", function (event) {
    const form = event.detail.requestConfig && event.detail.requestConfig.elt;
    if (form && form.matches("[data-ask]")) place(form).focus({ preventScroll: true });
  });

  // PEV2 measures its place, so the plan behind a tab is drawn when the tab is chosen.
  document.addEventListener("change", function (event) {
    const panel = event.target.closest(".answer .tabs > input") && event.target.nextElementSibling.nextElementSibling;
    const frame = panel && panel.querySelector("iframe[data-srcdoc]");
    if (!frame) return;
    frame.srcdoc = frame.dataset.srcdoc;
    delete frame.dataset.srcdoc;
  });

  function failed(event) {
    const form = event.detail.elt;
    if (!form.matches("[data-ask]")) return;
    const isTooLong = event.detail.xhr && event.detail.xhr.status === 413;
    say(form, isTooLong ? "The text is too long: at most 100 kB can be sent." : "pgLoupe did not answer. Try again; if you were logged out, log in in another tab first.", "alert", "form-error");
  }
  document.body.addEventListener("htmx:sendError", failed);
  document.body.addEventListener("htmx:responseError", failed);
})();
