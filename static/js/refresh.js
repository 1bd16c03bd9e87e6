// Parts of a page that refresh themselves (htmx): say it when the refresh fails, take it back when it works again.
(function () {
  "use strict";

  function trouble(words) {
    for (const place of document.querySelectorAll("[data-refresh-trouble]")) place.textContent = words;
  }

  const since = new Date().toLocaleTimeString();
  let shown = since;
  document.body.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.successful) {
      shown = new Date().toLocaleTimeString();
      trouble("");
    } else {
      trouble("pgLoupe does not answer; this is how things stood at " + shown + ". Trying again.");
    }
  });
  // What somebody opened, or closed, stays so in the new part.
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    const isOpen = {};
    for (const part of event.detail.target.querySelectorAll("details[id]")) isOpen[part.id] = part.open;
    document.body.addEventListener(
      "htmx:afterSwap",
      function () {
        for (const id of Object.keys(isOpen)) {
          const part = document.getElementById(id);
          if (part) part.open = isOpen[id];
        }
      },
      { once: true },
    );
  });
  // Nothing is fetched while nobody looks.
  document.body.addEventListener("htmx:confirm", function (event) {
    if (document.hidden && event.detail.triggeringEvent === undefined) event.preventDefault();
  });
})();
