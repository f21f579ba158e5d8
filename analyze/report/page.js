"use strict";
(() => {
  const GAP = 16;
  const json = (id) => {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : null;
  };
  const say = (text) => {
    document.getElementById("status").textContent = text;
  };
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;

  // Colours are CSS variables: changing the theme redraws nothing.
  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Not remembered, still applied.
    }
  });

  // The data as CSV: exact values from the chart's table, else the text of the table on the page.
  const quote = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csvOf = (section) => {
    const data = json(`${section}-data`);
    if (data) {
      const names = Object.keys(data);
      const rows = data[names[0]].map((_, i) => names.map((name) => data[name][i]));
      return [names, ...rows];
    }
    const lines = document.getElementById(section).querySelectorAll("table tr");
    return Array.from(lines, (line) => Array.from(line.cells, (cell) => cell.textContent));
  };
  for (const button of document.querySelectorAll("[data-csv]")) {
    button.addEventListener("click", () => {
      const section = button.dataset.csv;
      const text = csvOf(section).map((row) => row.map(quote).join(",")).join("\n") + "\n";
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      link.download = `${section}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  const charts = Array.from(document.querySelectorAll("[data-chart]"));
  if (!charts.length) return;

  const config = json("vega-config");
  const refuse = () => Promise.reject(new Error("this page loads nothing"));
  const options = {
    actions: false,
    ast: true,
    config,
    defaultStyle: false,
    loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
  };

  // The same rule as `columns` of analyze/figures/layout.py.
  const columns = (count, row, most) => {
    const widest = Math.min(count, most);
    let tidy = 1;
    for (let c = 1; c <= widest; c += 1) {
      if (row % c === 0 || (c % row === 0 && count % c === 0)) tidy = c;
    }
    return 2 * tidy > widest ? tidy : Math.ceil(count / Math.ceil(count / widest));
  };
  const rowsOf = (data) => {
    const names = Object.keys(data);
    return data[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, data[name][i]])));
  };

  const views = new Map();
  const drawnAt = new Map();
  const draw = async (chart) => {
    const width = chart.clientWidth;
    if (!width || drawnAt.get(chart) === width) return;
    drawnAt.set(chart, width);
    for (const view of views.get(chart) || []) view.finalize();
    views.set(chart, []);
    const id = chart.dataset.chart;
    const wide = json(`${id}-spec`);
    const values = rowsOf(json(`${id}-data`));
    const count = wide.concat ? wide.concat.length : 1;
    const size = { row: count, min: 280, max: 720, axis: 0, square: false, narrow: 480, ...wide.usermeta?.panel };
    const across = columns(count, size.row, Math.max(1, Math.floor((width + GAP) / (size.min + GAP))));
    const cell = Math.min(size.max, Math.floor((width - GAP * (across - 1)) / across));
    const spec = (cell < size.narrow && json(`${id}-narrow`)) || wide;
    const panels = spec.concat || [spec];
    chart.style.gridTemplateColumns = `repeat(${across}, ${cell}px)`;
    chart.replaceChildren();
    for (const panel of panels) {
      const box = document.createElement("div");
      box.className = "panel";
      box.setAttribute("aria-hidden", "true");
      chart.append(box);
      const drawing = { ...panel, data: { name: "table" }, datasets: { table: values } };
      if (size.square) {
        drawing.width = cell - size.axis;
        drawing.height = cell - size.axis;
      } else {
        drawing.width = cell;
        drawing.autosize = { type: "fit-x", contains: "padding" };
      }
      if (drawing.title && drawing.title.limit) drawing.title = { ...drawing.title, limit: drawing.width + 8 };
      const result = await vegaEmbed(box, drawing, options);
      views.get(chart).push(result.view);
    }
    chart.dataset.drawn = "";
  };

  // One chart at a time, when it comes near the window.
  let queue = Promise.resolve();
  const enqueue = (chart) => {
    queue = queue.then(() => draw(chart)).catch((error) => {
      chart.textContent = `This figure could not be drawn (${error.message}). Its numbers are in the table below.`;
    });
    return queue;
  };
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        enqueue(entry.target);
      }
    },
    { rootMargin: "300px" },
  );
  for (const chart of charts) near.observe(chart);

  let wait = 0;
  addEventListener("resize", () => {
    clearTimeout(wait);
    wait = setTimeout(() => {
      for (const chart of charts) if (drawnAt.has(chart)) enqueue(chart);
    }, 200);
  });

  const drawAll = () => {
    for (const chart of charts) if (!drawnAt.has(chart)) enqueue(chart);
    return queue;
  };
  addEventListener("beforeprint", drawAll);
  document.getElementById("prepare").addEventListener("click", () => {
    say("Drawing every figure…");
    drawAll().then(() => say("Ready to print."));
  });
})();
