// Mounts PEV2 on the plan's own page, with a render function: no template is compiled, so no eval is needed.
(function () {
  "use strict";

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  function scheme() {
    document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light";
  }
  scheme();
  dark.addEventListener("change", scheme);

  function data(id) {
    return JSON.parse(document.getElementById(id).textContent);
  }

  const place = document.getElementById("plan");
  place.textContent = "";
  const app = window.Vue.createApp({
    render: function () {
      return window.Vue.h(window.pev2.Plan, {
        planSource: JSON.stringify(data("plan-json"), null, 2),
        planQuery: data("plan-sql"),
      });
    },
  });
  app.config.errorHandler = function (error) {
    place.textContent = "The plan could not be drawn: " + error.message;
  };
  // On a phone the list of nodes beside the plan takes the room of the plan itself: it starts closed. PEV2 reads
  // its options from the local storage; this start is not kept there.
  const narrow = window.innerWidth < 700 && !localStorage.getItem("viewOptions");
  if (narrow) localStorage.setItem("viewOptions", JSON.stringify({ diagramWidth: 0 }));
  // PEV2's bars have no name; the figure they draw stands beside them.
  function hideBars() {
    place.querySelectorAll('[role="progressbar"]:not([aria-hidden])').forEach(function (bar) {
      bar.setAttribute("aria-hidden", "true");
    });
  }
  new MutationObserver(hideBars).observe(place, { childList: true, subtree: true });
  app.mount(place);
  if (narrow) localStorage.removeItem("viewOptions");
  place.dataset.drawn = "";
})();
