/* Plots from data in the page: a thin layer over Apache ECharts (static/vendor/echarts/echarts.min.js).
 *
 * In a template:
 *
 *   {% include "charts/chart.html" with chart=revenue_chart %}
 *   ... once, at the foot of the page:   {% include "charts/scripts.html" %}
 *
 * where `revenue_chart` is a dict made in Python (plain numbers and translated text, no functions):
 *
 *   {"id": "revenue",                         unique in the page
 *    "label": "Revenue a week",               what screen readers and the table's caption say
 *    "kind": "line" | "bar" | "bars",         "bars" lie: long labels, read downwards
 *    "unit": "money" | "count" | "percent" | "index" | "decimal",   money in hundredths of the currency, percent as a share of one
 *    "categories": ["Nov 9", ...],
 *    "series": [{"name": "This quarter", "values": [1, 2, null], "tone": "accent" | "quiet" | "warm" | "soft"}],
 *    "stacked": false,                        optional
 *    "reference": 100, "reference_label": "", optional: a line to compare with
 *    "links": ["/address", ...],              optional: where a click on a category leads
 *    "height": 260}                           optional, in pixels
 *
 * Two kinds take a matrix, `categories` being its rows and `series` its columns (null: nothing there):
 *   "heat": fields in shades, with "names": [[...]] written in them and "cell_links": [[...]] to where a click leads;
 *   "flow": bands from the rows, on the left, to the columns, on the right.
 *
 * For anything else give "option": a plain ECharts option; colours ("tone:text") and fonts are then still the theme's.
 * The plot follows unfold's light/dark switch (class "dark" on <html>) or, elsewhere, the system's; it resizes, keeps
 * still for people who prefer reduced motion, and comes with a table of the same numbers ("Show as table").
 * After htmx swaps a part of the page, charts inside it start by themselves.
 */
(function () {
  "use strict";

  const charts = new Map();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const paper = window.matchMedia("print");
  const systemDark = window.matchMedia("(prefers-color-scheme: dark)");

  const LIGHT = {
    accent: "#256f61", soft: "#9cc9bd", warm: "#d9962b", quiet: "#b3bbb8", bad: "#b3443a",
    text: "#4b5552", strong: "#1b2422", line: "#e1e6e4", ground: "#ffffff",
  };
  const DARK = {
    accent: "#5fbfa9", soft: "#2f6d60", warm: "#e8b04f", quiet: "#66716d", bad: "#e0796f",
    text: "#aab5b1", strong: "#edf2f0", line: "#33403c", ground: "#1c2523",
  };
  const ORDER = ["accent", "warm", "soft", "quiet", "bad"];

  function palette() {
    if (paper.matches) return LIGHT;
    const root = document.documentElement;
    if (root.classList.contains("dark")) return DARK;
    if (root.classList.contains("light") || document.querySelector("[x-data^='theme']")) return LIGHT;
    return systemDark.matches ? DARK : LIGHT;
  }

  /* Numbers as the page's language writes them. */
  function writer(unit, locale, currency, short) {
    const compact = short ? { notation: "compact", maximumFractionDigits: 1 } : {};
    if (unit === "money") {
      const money = new Intl.NumberFormat(locale, {
        style: "currency", currency: currency, currencyDisplay: "narrowSymbol",
        ...(short ? compact : { maximumFractionDigits: 0 }),
      });
      return (value) => money.format(value / 100);
    }
    if (unit === "percent") {
      const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: short ? 0 : 1 });
      return (value) => percent.format(value);
    }
    const plain = new Intl.NumberFormat(locale, { maximumFractionDigits: unit === "decimal" ? 2 : 1, ...compact });
    return (value) => plain.format(value);
  }

  function option(spec, colours, locale, currency, width) {
    const say = writer(spec.unit, locale, currency, false);
    const sayShort = writer(spec.unit, locale, currency, true);
    const base = {
      aria: { enabled: true, label: { description: spec.label } },
      animation: !still.matches,
      animationDuration: 350,
      textStyle: { fontFamily: window.getComputedStyle(document.body).fontFamily, color: colours.text },
      color: ORDER.map((tone) => colours[tone]),
    };
    if (spec.option) return { ...base, ...themed(spec.option, colours) };
    if (spec.kind === "heat") return { ...base, ...heat(spec, colours, say, width) };
    if (spec.kind === "flow") return { ...base, ...flow(spec, colours, say, width) };
    const lying = spec.kind === "bars";
    const many = spec.series.length > 1;
    const hasOwnNumbers = numbered(spec);
    const names = {
      type: "category",
      data: spec.categories,
      inverse: lying,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours.line } },
      axisLabel: { color: colours.text, hideOverlap: true, ...(lying ? {} : { margin: 12 }), ...nameSpace(spec, lying, width) },
    };
    const numbers = {
      type: "value",
      axisLabel: { color: colours.text, formatter: sayShort, hideOverlap: true, show: !hasOwnNumbers || spec.reference != null },
      splitLine: { show: !hasOwnNumbers, lineStyle: { color: colours.line } },
      splitNumber: 4,
      minInterval: spec.unit === "count" ? 1 : undefined,
    };
    return {
      ...base,
      grid: {
        left: 2, right: lying ? 44 : 20, top: many ? 16 + 24 * legendRows(spec, width) : 12, bottom: 6,
        outerBounds: { left: 2, right: 2, top: 0, bottom: 6 }, outerBoundsContain: "axisLabel",
      },
      legend: many
        ? { top: 0, left: 0, itemWidth: 14, itemHeight: 8, itemGap: 18, icon: "roundRect", textStyle: { color: colours.text } }
        : undefined,
      tooltip: {
        trigger: "axis",
        axisPointer: { type: spec.kind === "line" ? "line" : "shadow", lineStyle: { color: colours.quiet } },
        backgroundColor: colours.ground,
        borderColor: colours.line,
        textStyle: { color: colours.strong },
        valueFormatter: (value) => (value === null || value === undefined ? "–" : say(value)),
        confine: true,
      },
      xAxis: lying ? numbers : { ...names, boundaryGap: spec.kind !== "line" },
      yAxis: lying ? names : numbers,
      series: spec.series.map((one, index) => line(spec, one, index, colours, say)),
    };
  }

  /* An option of one's own names the theme's colours: "tone:text". */
  function themed(part, colours) {
    if (typeof part === "string") return part.startsWith("tone:") ? colours[part.slice(5)] : part;
    if (Array.isArray(part)) return part.map((one) => themed(one, colours));
    if (part === null || typeof part !== "object") return part;
    return Object.fromEntries(Object.entries(part).map(([name, one]) => [name, themed(one, colours)]));
  }

  /* Whether every bar has its number written beside it; then neither lines nor an axis are needed to read it. */
  function numbered(spec) {
    return spec.kind === "bars" && !spec.stacked && spec.series.length === 1;
  }

  /* On how many lines the names of the series stand, about as the library sets them. */
  function legendRows(spec, width) {
    let rows = 1;
    let taken = 0;
    for (const { name } of spec.series) {
      const needs = 19 + 7 * name.length;
      if (taken && taken + needs > width) {
        rows += 1;
        taken = 0;
      }
      taken += needs + 18;
    }
    return rows;
  }

  /* Few names are all shown, on several lines if need be; of many, as many as there is room for. */
  function nameSpace(spec, lying, width) {
    if (lying) {
      const most = Math.min(190, width * 0.4);
      const longest = 7 * Math.max(...spec.categories.map((name) => name.length));
      return { interval: 0, ...(longest > most ? { width: most, overflow: "break", lineHeight: 14 } : {}) };
    }
    if (spec.kind === "bar" && spec.categories.length > 6 && spec.categories.length <= 16) {
      return { interval: 0, rotate: 40, fontSize: 10, hideOverlap: false };
    }
    if (spec.kind === "line" || spec.categories.length > 6) return {};
    const room = (width - 48) / spec.categories.length - 6;
    return { interval: 0, hideOverlap: false, width: room, overflow: "break", lineHeight: 14, fontSize: room < 64 ? 10 : 12 };
  }

  function line(spec, one, index, colours, say) {
    const colour = colours[one.tone] || colours[ORDER[index % ORDER.length]];
    const quiet = one.tone === "quiet";
    const shape = spec.kind === "line"
      ? {
          type: "line", symbol: "circle", symbolSize: 6, showSymbol: !quiet && spec.categories.length < 40,
          lineStyle: { width: quiet ? 2 : 2.5, type: quiet ? "dashed" : "solid", color: colour },
          z: quiet ? 1 : 2,
        }
      : {
          type: "bar",
          label: numbered(spec)
            ? { show: true, position: "right", color: colours.text, formatter: (point) => say(point.value) }
            : undefined,
          barMaxWidth: spec.kind === "bars" ? 18 : 36, barGap: "15%", stack: spec.stacked ? "all" : undefined,
        };
    const radius = spec.stacked ? 0 : spec.kind === "bars" ? [0, 3, 3, 0] : [3, 3, 0, 0];
    const reference = index === 0 && spec.reference !== undefined && spec.reference !== null
      ? {
          markLine: {
            silent: true, symbol: "none", lineStyle: { color: colours.quiet, type: "dashed" },
            label: { formatter: spec.reference_label || "", color: colours.text },
            data: [spec.kind === "bars" ? { xAxis: spec.reference } : { yAxis: spec.reference }],
          },
        }
      : {};
    return {
      name: one.name, data: one.values, ...shape, ...reference,
      itemStyle: { color: colour, ...(shape.type === "bar" ? { borderRadius: radius } : {}) },
      cursor: spec.links ? "pointer" : "default",
    };
  }

  /* A matrix in shades: the more, the deeper. Fields without anybody stay empty. */
  function heat(spec, colours, say, width) {
    const most = Math.max(1, ...spec.series.flatMap((one) => one.values.map((value) => value || 0)));
    const room = (width - 90) / spec.series.length;
    const axis = (names, more) => ({
      type: "category", data: names, axisTick: { show: false }, axisLine: { show: false },
      axisLabel: { color: colours.text, interval: 0, fontSize: room < 64 ? 10 : 12 }, splitArea: { show: false }, ...more,
    });
    const data = spec.series.flatMap((one, column) => one.values.map((value, row) => {
      const deep = value !== null && value > most * 0.75;
      return {
        value: [column, row, value === null ? "-" : value],
        label: { color: deep ? colours.ground : colours.strong },
        itemStyle: value === null ? { color: "transparent" } : undefined,
      };
    }));
    const name = (point) => (spec.names ? spec.names[point.value[1]][point.value[0]] : "");
    return {
      grid: { left: 2, right: 2, top: 4, bottom: 4, outerBounds: { left: 2, right: 2, top: 0, bottom: 4 }, outerBoundsContain: "axisLabel" },
      tooltip: tip(colours, (point) => `${point.marker}${spec.categories[point.value[1]]}, ${spec.series[point.value[0]].name}<br>${name(point)}: ${point.value[2] === "-" ? "–" : say(point.value[2])}`),
      xAxis: axis(spec.series.map((one) => one.name)),
      yAxis: axis(spec.categories, { inverse: true, axisLabel: { color: colours.text, width: 74, overflow: "break", fontSize: room < 64 ? 10 : 12 } }),
      visualMap: { show: false, min: 0, max: most, inRange: { color: [colours.ground, colours.soft, colours.accent] } },
      series: [{
        type: "heatmap",
        data: data,
        cursor: spec.cell_links ? "pointer" : "default",
        itemStyle: { borderColor: colours.line, borderWidth: 1, borderRadius: 4 },
        emphasis: { itemStyle: { borderColor: colours.strong, borderWidth: 2 } },
        label: {
          show: true,
          formatter: (point) => (point.value[2] === "-" ? "" : `{number|${say(point.value[2])}}${spec.names && room >= 64 ? `\n{name|${name(point)}}` : ""}`),
          rich: {
            number: { fontWeight: 600, fontSize: room < 64 ? 11 : 14, lineHeight: 18 },
            name: { fontSize: room < 90 ? 10 : 11, lineHeight: 13, width: Math.max(30, room - 8), overflow: "truncate" },
          },
        },
      }],
    };
  }

  /* From the rows to the columns, as wide as they are many. */
  function flow(spec, colours, say, width) {
    const tones = [colours.accent, colours.warm, colours.soft, colours.bad, colours.quiet];
    const tone = (name) => {
      const places = [...new Set([...spec.series.map((one) => one.name), ...spec.categories])];
      return tones[places.indexOf(name) % tones.length];
    };
    const narrow = width < 520;
    const node = (side) => (name) => ({
      name: side + name,
      itemStyle: { color: tone(name) },
      label: { position: side === "<" ? "right" : "left", formatter: name },
    });
    const links = spec.series.flatMap((one) => one.values.map((value, row) => ({ source: "<" + spec.categories[row], target: ">" + one.name, value: value }))).filter((link) => link.value);
    return {
      tooltip: tip(colours, (point) => (point.dataType === "edge"
        ? `${point.data.source.slice(1)} → ${point.data.target.slice(1)}: ${say(point.data.value)}`
        : `${point.name.slice(1)}: ${say(point.value)}`)),
      series: [{
        type: "sankey",
        left: 2, right: 2, top: 6, bottom: 12,
        nodeWidth: 12, nodeGap: 10, nodeAlign: "justify", layoutIterations: 0,
        emphasis: { focus: "adjacency" },
        draggable: false,
        label: { color: colours.strong, fontSize: narrow ? 10 : 12 },
        lineStyle: { color: "source", opacity: 0.28, curveness: 0.5 },
        data: [...spec.categories.map(node("<")), ...spec.series.map((one) => one.name).map(node(">"))],
        links: links,
      }],
    };
  }

  function tip(colours, formatter) {
    return {
      trigger: "item", formatter: formatter, backgroundColor: colours.ground, borderColor: colours.line,
      textStyle: { color: colours.strong }, confine: true,
    };
  }

  function draw(place) {
    const source = document.getElementById(place.dataset.chart);
    if (!source || !window.echarts) return;
    const spec = JSON.parse(source.textContent);
    let chart = charts.get(place);
    if (!chart) {
      place.style.height = (spec.height || 260) + "px";
      chart = window.echarts.init(place, null, { renderer: "svg" });
      charts.set(place, chart);
      if (spec.links) {
        chart.on("click", (event) => {
          if (spec.links[event.dataIndex]) window.location.assign(spec.links[event.dataIndex]);
        });
      }
      if (spec.cell_links) {
        chart.on("click", (event) => {
          const link = event.value && spec.cell_links[event.value[1]][event.value[0]];
          if (link) window.location.assign(link);
        });
      }
      new ResizeObserver(() => chart.resize({ animation: { duration: 0 } })).observe(place);
    }
    chart.setOption(option(spec, palette(), place.dataset.locale, place.dataset.currency, place.clientWidth), true);
  }

  function drawAll(root) {
    for (const place of charts.keys()) {
      if (!place.isConnected) {
        charts.get(place).dispose();
        charts.delete(place);
      }
    }
    (root || document).querySelectorAll("[data-chart]").forEach(draw);
  }

  function toggleTable(button) {
    const figure = button.closest("[data-chart-figure]");
    const showTable = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(showTable));
    button.textContent = showTable ? button.dataset.plotLabel : button.dataset.tableLabel;
    figure.querySelector("[data-chart-table]").hidden = !showTable;
    const place = figure.querySelector("[data-chart]");
    place.hidden = showTable;
    if (!showTable) draw(place);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-chart-toggle]");
    if (button) toggleTable(button);
  });
  document.addEventListener("htmx:afterSettle", (event) => drawAll(event.target));
  systemDark.addEventListener("change", () => drawAll());
  paper.addEventListener("change", () => drawAll());
  new MutationObserver(() => drawAll()).observe(document.documentElement, { attributeFilter: ["class"] });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => drawAll());
  else drawAll();

  window.regularsCharts = { draw: drawAll };
})();
