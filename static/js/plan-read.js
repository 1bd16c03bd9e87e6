// A click on a finding or a bar lights up its node in the drawing; without scripts it leads to the table's row.
(function () {
  "use strict";

  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-node]");
    if (!link) return;
    const part = link.closest("section, main").querySelector("iframe.plan-frame") || document.querySelector("iframe.plan-frame");
    if (!part || !part.contentWindow || !part.contentDocument.querySelector("[data-drawn]")) return;
    event.preventDefault();
    part.contentWindow.location.hash = "plan/node/" + link.dataset.node;
    part.scrollIntoView({ block: "nearest" });
  });
})();
