// Draws the figures that dashboard/charts.py made. Colours come from the style sheet, so both schemes fit.
(function () {
  "use strict";

  const CONFIG = { responsive: true, displayModeBar: false, displaylogo: false, scrollZoom: false };

  function token(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function coloured(figure) {
    const quiet = token("--ink-quiet");
    const axis = { gridcolor: token("--chart-grid"), linecolor: token("--line-strong"), zeroline: false };
    const layout = Object.assign({}, figure.layout, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: token("--sans"), size: 12, color: quiet },
      hoverlabel: {
        bgcolor: token("--surface"),
        bordercolor: token("--line-strong"),
        font: { color: token("--ink"), family: token("--sans"), size: 12 },
      },
    });
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis/.test(key)) layout[key] = Object.assign({}, layout[key], axis);
    }
    layout.shapes = (layout.shapes || []).map(function (shape) {
      return Object.assign({}, shape, { fillcolor: token("--warning"), line: { width: 0 } });
    });
    const data = figure.data.map(function (trace, at) {
      const colour = token("--chart-" + ((at % 4) + 1));
      return Object.assign({}, trace, {
        line: Object.assign({}, trace.line, { color: colour }),
        marker: Object.assign({}, trace.marker, { color: colour }),
        fillcolor: trace.fill ? colour + "22" : undefined,
      });
    });
    return { data: data, layout: layout };
  }

  function draw(box) {
    const figure = JSON.parse(document.getElementById(box.dataset.chart).textContent);
    const made = coloured(figure);
    for (const waiting of box.querySelectorAll(".chart-wait")) waiting.remove();
    window.Plotly.react(box, made.data, made.layout, CONFIG).then(function () {
      box.dataset.drawn = "";
    });
  }

  function drawAll() {
    for (const box of document.querySelectorAll("[data-chart]")) draw(box);
  }

  drawAll();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
