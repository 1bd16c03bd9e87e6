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
  // Nothing is fetched while nobody looks.
  document.body.addEventListener("htmx:confirm", function (event) {
    if (document.hidden && event.detail.triggeringEvent === undefined) event.preventDefault();
  });
})();
