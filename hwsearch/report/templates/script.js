"use strict";
(() => {
  const root = document.documentElement;
  const { figures, networks } = JSON.parse(document.getElementById("report-data").textContent);
  const chooser = document.getElementById("chooser");
  const chosen = document.getElementById("chosen");

  // Everything that shows a text of the run goes through textContent: no text is ever read as HTML.
  function element(tag, className, text, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined && text !== null) made.textContent = text;
    made.append(...children);
    return made;
  }

  function stageOf([label, kind, resolution, channels, kernel, stride, expand, repeats, se, ms]) {
    return { label, kind, resolution, channels, kernel, stride, expand, repeats, se, ms };
  }

  function block(stage, widest) {
    const fixed = stage.kind !== "mbconv";
    const size = stage.kernel >= 7 ? "k7" : stage.kernel >= 5 ? "k5" : "k3";
    const made = element("span", "block " + (fixed ? "fixed" : size));
    made.style.setProperty("--w", Math.sqrt(stage.channels / widest).toFixed(3));
    made.style.height = (fixed ? 24 : 17 + 3 * Math.min(stage.expand, 10)) + "px";
    made.append(element("span", "", `k${stage.kernel}` + (fixed ? "" : ` e${stage.expand}`)));
    if (stage.se) made.append(element("i", "se", "SE"));
    return made;
  }

  function inWords(stage) {
    const kind = stage.kind === "mbconv" ? `${stage.repeats} × MBConv, expansion ${stage.expand}, ` : "convolution, ";
    return `${stage.label}: ${kind}kernel ${stage.kernel}×${stage.kernel}, stride ${stage.stride}, input ${stage.resolution} px, ` +
      `${stage.channels} channels${stage.se ? ", squeeze-excite " + stage.se : ""}${stage.ms ? ", " + stage.ms + " predicted" : ""}`;
  }

  const same = (a, b) => a && b && ["channels", "kernel", "expand", "repeats", "se", "stride"].every((key) => a[key] === b[key]);

  function draw(place) {
    const stages = networks[place.dataset.draw].stages.map(stageOf);
    const against = networks[place.dataset.against].stages.map(stageOf);
    const widest = Math.max(...stages.filter((stage) => stage.kind === "mbconv").map((stage) => stage.channels));
    for (const stage of stages) {
      const changed = !same(stage, against.find((other) => other.label === stage.label));
      const column = element("div", "stage" + (changed ? " changed" : ""));
      column.setAttribute("role", "img");
      column.setAttribute("aria-label", inWords(stage) + (changed ? "; differs from the reference" : ""));
      column.title = inWords(stage);
      const blocks = Array.from({ length: stage.repeats }, () => block(stage, Math.max(widest, stage.kind === "mbconv" ? 0 : stage.channels)));
      const under = element("div", "under", null, element("b", "", stage.label), element("br"), `${stage.channels} ch · ${stage.resolution} px`);
      if (stage.ms) under.append(element("br"), stage.ms);
      column.append(element("div", "blocks", null, ...blocks), under);
      place.append(column);
    }
  }

  function copyButton(text, label) {
    const made = element("button", "copy", label);
    made.type = "button";
    made.dataset.copy = text;
    return made;
  }

  function choose(index) {
    const network = networks[index];
    if (!network) return;
    chooser.value = index;
    const list = element("dl");
    for (const [label, value] of network.figures) list.append(element("dt", "", label), element("dd", "", value));
    const rows = network.stages.map(stageOf).map((stage) => element("tr", "", null,
      element("th", "", stage.label),
      element("td", "", stage.kind === "mbconv" ? `${stage.repeats} × k${stage.kernel} e${stage.expand}${stage.se ? " SE" : ""}` : `k${stage.kernel}`),
      element("td", "n", `${stage.channels} ch`),
      element("td", "n", stage.ms || "")));
    chosen.replaceChildren(
      element("h4", "", `${network.name} `, element("span", "role", network.role)), list,
      element("table", "", null, element("tbody", "", null, ...rows)),
      element("div", "actions", null, copyButton(network.text, "Copy text form"), copyButton(network.command, "Copy export command")));
    mark(document.getElementById("plot-front"), Number(index));
  }

  // A row of a table and the marks of the same network in the charts find each other by its key.
  function pick(key) {
    for (const row of document.querySelectorAll("[data-row]")) row.classList.toggle("picked", row.dataset.row === key);
    plots().forEach((place) => mark(place, key));
    const row = document.querySelector(".picked");
    if (row) say(`Chosen: ${[...row.cells].slice(0, -1).map((cell) => cell.textContent.trim()).filter(Boolean).join(", ")}`);
    return row;
  }

  function act(key) {
    if (typeof key === "number") return choose(key);
    const row = typeof key === "string" && pick(key);
    if (row) row.scrollIntoView({ block: "nearest" });
  }

  // Said aloud by screen readers; never shown.
  function say(text) {
    document.getElementById("said").textContent = text;
  }

  async function copy(button) {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = element("textarea", "said", text);
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const label = button.dataset.label || (button.dataset.label = button.textContent);
    button.textContent = "Copied";
    button.classList.add("done");
    say("Copied " + text.slice(0, 60));
    setTimeout(() => { button.textContent = label; button.classList.remove("done"); }, 1500);
  }

  // Colours of figures are names, "@ink"; they become those of the style sheet, light or dark.
  function coloured(value, style) {
    if (typeof value === "string") return value[0] === "@" && style.getPropertyValue("--" + value.slice(1)).trim() || value;
    if (Array.isArray(value)) return value.map((each) => coloured(each, style));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, coloured(each, style)]));
    return value;
  }

  // Figures carry texts escaped, since plotly reads HTML in them; textContent wants them plain.
  const unescaped = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

  function legend(place) {
    const list = place.parentElement.querySelector(".legend");
    const known = new Set();
    for (const { name, mode, fillcolor, line, marker, showlegend, meta } of figures[place.dataset.figure].data) {
      if (!name || showlegend === false || known.has(name)) continue;
      known.add(name);
      const open = marker && Array.isArray(marker.symbol) && !meta;
      const drawn = mode.startsWith("lines") && !(marker && marker.symbol);
      const shape = fillcolor ? "area" : meta ? meta.key : open ? "open" : drawn ? "line" : marker.symbol || "circle";
      const key = element("i", "mark " + shape + (line && line.dash && line.dash !== "solid" ? " dashed" : ""));
      const colour = fillcolor || (open ? "@soft" : (marker || line).color);
      key.style.setProperty("--c", `var(--${colour.slice(1)})`);
      list.append(element("li", "", null, key, unescaped(name)));
    }
  }

  const plots = () => [...document.querySelectorAll("[data-figure]")];
  const settings = { displaylogo: false, responsive: true, showSendToCloud: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

  function narrowed(layout) {
    layout.font.size = 11;
    layout.margin.t = 12;
    for (const note of layout.annotations || []) if (note.font) note.font.size = 11;
    for (const [name, axis] of Object.entries(layout)) {
      if (!/^[xy]axis/.test(name) || !axis.title || !axis.title.text) continue;
      axis.title.font.size = 11;
      if (name[0] === "x") axis.title.text = axis.title.text.replace(/(.{22,36}?) /g, "$1<br>");
    }
  }

  const PRINTED_WIDTH = 680;  // of A4 and of US Letter between their margins, pixels
  let printing = false;

  function plot(place) {
    const { data, layout } = coloured(figures[place.dataset.figure], getComputedStyle(root));
    const touch = matchMedia("(pointer: coarse)").matches;
    if (touch) layout.dragmode = false;  // a finger scrolls the page
    const narrow = place.clientWidth < 480;
    if (narrow) narrowed(layout);
    if (printing) layout.width = PRINTED_WIDTH; else layout.autosize = true;
    return Plotly.react(place, data, layout, { ...settings, displayModeBar: touch || narrow ? false : "hover" });
  }

  const RING = "ring";
  const marked = new Map();

  // A ring around every mark of a network, in the charts that have one.
  function mark(place, key) {
    if (!place || !place.data) return;
    const old = place.data.findIndex((each) => each.meta === RING);
    if (old >= 0) Plotly.deleteTraces(place, old);
    const places = place.data.flatMap((trace) => (trace.customdata || []).flatMap((each, at) => (each === key ? [[trace.x[at], trace.y[at]]] : [])));
    marked.set(place, places.length ? key : undefined);
    if (!places.length) return;
    const shown = typeof key === "number" ? places.slice(0, 1) : places;
    Plotly.addTraces(place, { type: "scatter", mode: "markers", meta: RING, x: shown.map(([x]) => x), y: shown.map(([, y]) => y), hoverinfo: "skip", showlegend: false,
      marker: { size: 22, opacity: 1, color: "rgba(0,0,0,0)", line: { width: 2.5, color: getComputedStyle(root).getPropertyValue("--accent").trim() } } });
  }

  function isShown(layout, axis, value) {
    const { type, range } = layout[axis.replace(/^([xy])/, "$1axis")];
    const at = type === "log" ? Math.log10(value) : value;
    return !range || (at >= Math.min(...range) && at <= Math.max(...range));
  }

  // The marks that can be pointed at, from left to right.
  function stops(place) {
    const found = [];
    place.data.forEach((trace, curveNumber) => {
      if (trace.hoverinfo === "skip" || trace.mode === "lines" && place.data.length > 40) return;
      const [x, y] = [trace.xaxis || "x", trace.yaxis || "y"];
      trace.x.forEach((value, pointNumber) => {
        if (isShown(place.layout, x, value) && isShown(place.layout, y, trace.y[pointNumber])) {
          found.push({ curveNumber, pointNumber, x: value, y: trace.y[pointNumber], subplot: x + y, trace });
        }
      });
    });
    return found.sort((a, b) => a.x - b.x || a.y - b.y);
  }

  function pointed({ trace, pointNumber, x, y }) {
    const text = trace.hovertext ? trace.hovertext[pointNumber] : `${trace.name || ""} ${y.toPrecision(6)}, ${Math.round(x)}`;
    return unescaped(text.replace(/(<[^>]*>)+/g, ", ").replace(/^, /, ""));
  }

  // Whatever a mouse can do with the marks of a chart, arrow keys and Enter can.
  function keyboard(place) {
    let at = -1;
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    place.addEventListener("keydown", (event) => {
      if (event.target !== place || event.ctrlKey || event.metaKey || event.altKey) return;
      const every = stops(place);
      if (!every.length) return;
      if (event.key in by) at = at < 0 ? (by[event.key] > 0 ? 0 : every.length - 1) : (at + by[event.key] + every.length) % every.length;
      else if (event.key === "Home") at = 0;
      else if (event.key === "End") at = every.length - 1;
      else if (event.key === "Escape") at = -1;
      else if ((event.key === "Enter" || event.key === " ") && every[at]) {
        const { trace, pointNumber } = every[at];
        if (trace.customdata) act(trace.customdata[pointNumber]);
        event.preventDefault();
        return;
      } else return;
      event.preventDefault();
      if (at < 0) return Plotly.Fx.unhover(place);
      const { curveNumber, pointNumber, subplot } = every[at];
      Plotly.Fx.hover(place, [{ curveNumber, pointNumber }], subplot);
      say(pointed(every[at]));
    });
    place.addEventListener("blur", () => { at = -1; Plotly.Fx.unhover(place); });
  }

  async function unpack(id) {
    const packed = document.getElementById(id).textContent;
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  async function drawCharts() {
    if (!plots().length) return;
    plots().forEach(legend);
    try {
      await unpack("plotly-packed");
    } catch {
      for (const place of plots()) place.firstElementChild.textContent = "This browser is too old to unpack the charts; every figure is in the tables.";
      return;
    }
    for (const place of plots()) {
      place.replaceChildren();
      await plot(place);
      place.on("plotly_click", (event) => act(event.points[0].customdata));
      keyboard(place);
    }
    if (chooser) mark(document.getElementById("plot-front"), Number(chooser.value));
    root.dataset.drawn = "yes";
  }

  function redraw() {
    if (!window.Plotly) return;
    for (const place of plots()) {
      plot(place);
      if (marked.get(place) !== undefined) mark(place, marked.get(place));
    }
  }

  if (chooser) {
    networks.forEach((network, index) => chooser.append(new Option(`${network.name} (${network.role})`, index)));
    chooser.addEventListener("change", () => choose(chooser.value));
    const step = (by) => choose((Number(chooser.value) + by + networks.length) % networks.length);
    document.getElementById("previous").addEventListener("click", () => step(-1));
    document.getElementById("next").addEventListener("click", () => step(1));
    choose(Math.min(1, networks.length - 1));
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-choose], [data-pick]");
    if (!button) return;
    if (button.dataset.copy) return copy(button);
    if (button.dataset.pick) {
      pick(button.dataset.pick);
      const chart = plots().find((place) => marked.get(place) !== undefined && place.id !== "plot-front") || button;
      return chart.scrollIntoView({ block: "nearest" });
    }
    choose(button.dataset.choose);
    document.getElementById("front").scrollIntoView();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { root.dataset.theme = "light"; printing = true; redraw(); });
  addEventListener("afterprint", () => { delete root.dataset.theme; printing = false; redraw(); });
  document.querySelectorAll("[data-draw]").forEach(draw);
  drawCharts();
})();
