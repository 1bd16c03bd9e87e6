// What the slider stands at is said at once; the mark on the curve follows it; the plan below comes by htmx.
(function () {
  "use strict";

  const slider = document.getElementById("point");
  const words = JSON.parse(document.getElementById("words-of-points").textContent);

  function say() {
    const said = words[Number(slider.value)];
    slider.setAttribute("aria-valuetext", said);
    document.getElementById("point-words").textContent = said;
  }

  function follow() {
    const plan = document.getElementById("index-plan");
    const box = document.getElementById("gain-curve-box");
    if (!plan || plan.dataset.at === undefined) return;
    box.querySelector(".chart-plot .dot.line-2").setAttribute("d", "M" + plan.dataset.at + "h0");
    const kept = document.getElementById("gain-curve");
    const figure = JSON.parse(kept.textContent);
    const at = Number(plan.dataset.point) + 1; // the curve begins at nothing for nothing
    figure.data[1].x = [figure.data[0].x[at]];
    figure.data[1].y = [figure.data[0].y[at]];
    kept.textContent = JSON.stringify(figure); // for plotly when somebody reaches for the chart
    const stage = box.querySelector(".chart-stage");
    if (stage && box.dataset.drawn !== undefined) {
      window.Plotly.restyle(stage, { x: [figure.data[1].x], y: [figure.data[1].y] }, [1]);
    }
  }

  slider.addEventListener("input", say);
  document.body.addEventListener("htmx:afterSettle", follow);
  window.addEventListener("pageshow", say); // a browser that goes back keeps what the slider stood at
})();
