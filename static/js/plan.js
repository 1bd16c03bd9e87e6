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
  app.mount(place);
  place.dataset.drawn = "";
})();
