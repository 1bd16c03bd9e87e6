// The mark on the curve follows the slider; the plan below it comes by htmx.
(function () {
  "use strict";

  function follow() {
    const plan = document.getElementById("index-plan");
    const box = document.getElementById("gain-curve-box");
    if (!plan || !box || plan.dataset.at === undefined) return;
    const mark = box.querySelector(".chart-plot .dot.line-2");
    if (mark) mark.setAttribute("d", "M" + plan.dataset.at + "h0");
    const stage = box.querySelector(".chart-stage");
    if (stage && box.dataset.drawn !== undefined) {
      const curve = stage.data[0];
      const at = Number(plan.dataset.point) + 1; // the curve begins at nothing for nothing
      window.Plotly.restyle(stage, { x: [[curve.x[at]]], y: [[curve.y[at]]] }, [1]);
    }
  }

  document.body.addEventListener("htmx:afterSettle", follow);
})();
