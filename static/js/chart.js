// Charts come drawn by the server. plotly.js, larger than a whole page, is fetched when somebody reaches for one
// (pointer, touch, keyboard or its button) and takes the drawing's place: values on hover, zoom by dragging.
(function () {
  "use strict";

  const SOURCE = document.currentScript.dataset.plotly;
  const CONFIG = { responsive: true, displayModeBar: false, displaylogo: false, scrollZoom: false, doubleClick: "reset" };
  const NARROW = window.matchMedia("(max-width: 48rem)");
  const COARSE = window.matchMedia("(pointer: coarse)");
  let library = null;

  function loaded() {
    if (!library) {
      library = new Promise(function (resolve, reject) {
        const script = document.createElement("script");
        script.src = SOURCE;
        script.onload = resolve;
        script.onerror = function () {
          script.remove();
          library = null; // the next reach tries again
          reject(new Error("plotly.js did not load"));
        };
        document.head.append(script);
      });
    }
    return library;
  }

  function token(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // The plot's place in its box: the same for both.
  function margins(box) {
    const area = box.querySelector(".chart-area").getBoundingClientRect();
    const plot = box.querySelector(".chart-plot").getBoundingClientRect();
    return {
      l: plot.left - area.left,
      r: area.right - plot.right,
      t: plot.top - area.top,
      b: area.bottom - plot.bottom,
      pad: 0,
    };
  }

  function timeTicks(figure) {
    const axis = figure.layout.xaxis;
    if (!NARROW.matches) return { tickvals: axis.tickvals, ticktext: axis.ticktext };
    const kept = function (_, at) {
      return figure.narrow.includes(at);
    };
    return { tickvals: axis.tickvals.filter(kept), ticktext: axis.ticktext.filter(kept) };
  }

  function coloured(box, figure) {
    const axis = { gridcolor: token("--chart-grid"), zeroline: false };
    const layout = Object.assign({}, figure.layout, {
      margin: margins(box),
      paper_bgcolor: token("--surface"),
      plot_bgcolor: token("--surface"), // plotly edges its hover line with it
      // A finger scrolls the page; it reads values by tapping.
      dragmode: COARSE.matches ? false : "zoom",
      font: { family: token("--sans"), size: 12, color: token("--ink-quiet") },
      hoverlabel: {
        bgcolor: token("--surface"),
        bordercolor: token("--line-strong"),
        font: { color: token("--ink"), family: token("--sans"), size: 12 },
      },
    });
    for (const key of Object.keys(layout)) {
      if (/^yaxis/.test(key)) layout[key] = Object.assign({ ticklabelstandoff: 7 }, layout[key], axis);
    }
    layout.xaxis = Object.assign({}, layout.xaxis, axis, timeTicks(figure), {
      linecolor: token("--line-strong"),
      showline: true,
      ticks: "outside",
      ticklen: 4,
      tickcolor: token("--line-strong"),
      spikecolor: token("--ink-faint"),
      spikethickness: 1,
      spikedash: "solid",
    });
    // What the drawing has in colours of its own is named by the figure: bars in "meta", shapes in "name"; marks have none.
    if (layout.shapes) {
      layout.shapes = layout.shapes.map(function (shape) {
        if (!shape.name) return Object.assign({}, shape, { line: Object.assign({}, shape.line, { color: token("--ink-faint") }) });
        const colour = token("--chart-" + shape.name);
        return Object.assign({}, shape, {
          layer: shape.type === "rect" ? "below" : "above",
          fillcolor: colour,
          line: { color: colour, width: shape.type === "rect" ? 0 : 1.5, dash: "dash" },
        });
      });
    }
    const data = figure.data.map(function (trace, at) {
      if (trace.meta) return Object.assign({}, trace, { marker: { color: token("--" + trace.meta), line: { width: 0 } } });
      const colour = token("--chart-" + ((at % 4) + 1));
      return Object.assign({}, trace, {
        line: Object.assign({}, trace.line, { color: colour }),
        marker: Object.assign({}, trace.marker, { color: colour, line: { width: 0 } }),
        fillcolor: trace.fill ? colour + "22" : undefined,
      });
    });
    return { data: data, layout: layout };
  }

  function figureOf(box) {
    return JSON.parse(document.getElementById(box.dataset.chart).textContent);
  }

  function draw(box, stage) {
    const made = coloured(box, figureOf(box));
    return window.Plotly.react(stage, made.data, made.layout, CONFIG);
  }

  function open(box, at) {
    if (box.dataset.opening !== undefined) return;
    box.dataset.opening = "";
    const button = box.querySelector(".chart-open");
    const words = [...button.childNodes];
    button.textContent = "Loading";
    loaded()
      .then(function () {
        const stage = document.createElement("div");
        stage.className = "chart-stage";
        box.querySelector(".chart-area").append(stage);
        return draw(box, stage).then(function () {
          stage.on("plotly_relayout", function (change) {
            zoomed(box, stage, change);
          });
          stage.on("plotly_click", function (event) {
            const links = figureOf(box).links;
            const point = event.points[0];
            if (links) {
              const [address, place] = links[point.pointIndex].split("#");
              window.location.assign(address + "&wait=" + encodeURIComponent(point.data.name) + "#" + place);
            }
          });
          box.dataset.drawn = "";
          button.textContent = "Show all";
          if (at.x !== null) hoverAt(stage, at);
        });
      })
      .catch(function () {
        delete box.dataset.opening;
        button.replaceChildren(...words);
      });
  }

  // A part of the time axis gets ticks of its own; the whole has the drawing's.
  function zoomed(box, stage, change) {
    const isPart = "xaxis.range[0]" in change && change["xaxis.range[0]"] !== figureOf(box).layout.xaxis.range[0];
    const isWhole = "xaxis.autorange" in change || "xaxis.range" in change || "xaxis.range[0]" in change;
    box.toggleAttribute("data-zoomed", isPart || (!isWhole && box.hasAttribute("data-zoomed")));
    if (isPart && stage.layout.xaxis.tickmode === "array") {
      window.Plotly.relayout(stage, { "xaxis.tickmode": "auto", "xaxis.nticks": NARROW.matches ? 4 : 8 });
    } else if (isWhole && !isPart && stage.layout.xaxis.tickmode !== "array") {
      window.Plotly.relayout(stage, { "xaxis.tickmode": "array" });
    }
  }

  // The pointer stands still while the library comes: say what is below it all the same.
  function hoverAt(stage, at) {
    const layer = stage.querySelector(".nsewdrag");
    if (!layer) return;
    for (const kind of ["mouseover", "mousemove"]) {
      layer.dispatchEvent(new MouseEvent(kind, { bubbles: true, clientX: at.x, clientY: at.y }));
    }
  }

  for (const box of document.querySelectorAll("[data-chart]")) {
    const at = { x: null, y: null };
    const reached = function (event) {
      if (event.clientX !== undefined) {
        at.x = event.clientX;
        at.y = event.clientY;
      }
      open(box, at);
    };
    for (const kind of ["pointerenter", "pointermove", "focusin"]) box.addEventListener(kind, reached);
    box.addEventListener("touchstart", reached, { passive: true });
    box.querySelector(".chart-open").addEventListener("click", function () {
      const stage = box.querySelector(".chart-stage");
      if (box.dataset.drawn === undefined) open(box, at);
      else window.Plotly.relayout(stage, { "xaxis.range": figureOf(box).layout.xaxis.range.slice() });
    });
  }

  function again() {
    for (const box of document.querySelectorAll("[data-chart][data-drawn]")) draw(box, box.querySelector(".chart-stage"));
  }

  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  NARROW.addEventListener("change", again);
})();
