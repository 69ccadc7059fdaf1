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
    mark(index);
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
    }
    const label = button.dataset.label || (button.dataset.label = button.textContent);
    button.textContent = "Copied";
    button.classList.add("done");
    document.getElementById("said").textContent = "Copied " + text.slice(0, 60);
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
    for (const { name, mode, fillcolor, line, marker, showlegend } of figures[place.dataset.figure].data) {
      if (!name || showlegend === false) continue;
      const open = marker && Array.isArray(marker.symbol);
      const shape = fillcolor ? "area" : open ? "open" : mode.startsWith("lines") && !marker.symbol ? "line" : marker.symbol || "circle";
      const key = element("i", "mark " + shape);
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
  }

  function plot(place) {
    const { data, layout } = coloured(figures[place.dataset.figure], getComputedStyle(root));
    const touch = matchMedia("(pointer: coarse)").matches;
    if (touch) layout.dragmode = false;  // a finger scrolls the page
    const narrow = place.clientWidth < 480;
    if (narrow) narrowed(layout);
    return Plotly.react(place, data, layout, { ...settings, displayModeBar: touch || narrow ? false : "hover" });
  }

  function mark(index) {
    const place = document.getElementById("plot-front");
    if (!place || !place.data) return;
    const trace = place.data.find((each) => each.customdata && each.customdata.includes(Number(index)));
    const at = trace ? trace.customdata.indexOf(Number(index)) : -1;
    const ring = { type: "scatter", mode: "markers", x: at < 0 ? [] : [trace.x[at]], y: at < 0 ? [] : [trace.y[at]], hoverinfo: "skip", showlegend: false,
      marker: { size: 22, color: "rgba(0,0,0,0)", line: { width: 2.5, color: getComputedStyle(root).getPropertyValue("--accent").trim() } } };
    const rings = place.data.length - 1;
    const known = place.data[rings].hoverinfo === "skip" && place.data[rings].marker && place.data[rings].marker.size === 22;
    if (known) Plotly.deleteTraces(place, rings);
    Plotly.addTraces(place, ring);
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
      place.on("plotly_click", (event) => event.points[0].customdata !== undefined && choose(event.points[0].customdata));
    }
    mark(chooser.value);
    root.dataset.drawn = "yes";
  }

  function redraw() {
    if (!window.Plotly) return;
    plots().forEach(plot);
    mark(chooser.value);
  }

  networks.forEach((network, index) => chooser.append(new Option(`${network.name} (${network.role})`, index)));
  chooser.addEventListener("change", () => choose(chooser.value));
  const step = (by) => choose((Number(chooser.value) + by + networks.length) % networks.length);
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-choose]");
    if (!button) return;
    if (button.dataset.copy) return copy(button);
    choose(button.dataset.choose);
    document.getElementById("front").scrollIntoView();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { root.dataset.theme = "light"; redraw(); });
  addEventListener("afterprint", () => { delete root.dataset.theme; redraw(); });
  document.querySelectorAll("[data-draw]").forEach(draw);
  choose(Math.min(1, networks.length - 1));
  drawCharts();
})();
