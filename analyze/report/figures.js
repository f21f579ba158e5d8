// Draws each figure when it comes near the window, and again when its width has changed.
(() => {
  const charts = Array.from(document.querySelectorAll("[data-chart]"));
  if (!charts.length) return;
  const GAP = 16;
  const SELECT_FROM = 6;
  const { json, say, make } = assay;

  const refuse = () => Promise.reject(new Error("this page loads nothing"));
  const options = {
    actions: false,
    ast: true,
    config: json("vega-config"),
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

  // Values that the reader sets, for all figures: groups that are off, and models that are picked out.
  const state = { off: [], hits: [] };
  const views = new Map();
  const drawnAt = new Map();
  const chosen = new Map();

  const takes = (spec, name) => (spec.params || []).some((param) => param.name === name);

  // A rectangle drawn with the mouse, on the points of a panel with two numeric axes. Not by touch: a finger scrolls.
  const withBrush = (layers) => {
    const at = layers.findIndex(({ mark, encoding }) =>
      mark?.type === "point" && mark.filled !== false &&
      encoding?.x?.type === "quantitative" && encoding?.y?.type === "quantitative");
    if (at < 0) return layers;
    const brush = {
      name: "brush",
      select: {
        type: "interval",
        on: "[mousedown, window:mouseup] > window:mousemove!",
        clear: "mousedown",
        translate: false,
        zoom: false,
        mark: { fill: "var(--muted)", fillOpacity: 0.12, stroke: "var(--muted)" },
      },
    };
    return layers.map((layer, i) => (i === at ? { ...layer, params: [...(layer.params || []), brush] } : layer));
  };

  const inside = (rows, area) => {
    const ends = Object.entries(area || {});
    if (ends.length < 2) return [];
    const within = (row) => ends.every(([name, [a, b]]) =>
      row[name] !== null && row[name] >= Math.min(a, b) && row[name] <= Math.max(a, b));
    const found = rows.filter((row) => row.mark === "model" && !state.off.includes(row.group) && within(row));
    return [...new Set(found.map((row) => row.model))];
  };

  const drawPanel = async (chart, spec, panel, cell, size, values) => {
    const box = make("div", { className: "panel" });
    box.setAttribute("aria-hidden", "true");
    chart.append(box);
    const shared = spec.concat ? spec.params || [] : [];
    const drawing = { ...panel, data: { name: "table" }, datasets: { table: values } };
    drawing.params = [...(panel.params || []), ...shared].map((param) =>
      param.name in state ? { ...param, value: state[param.name] } : param);
    if (drawing.layer && takes(drawing, "hits")) drawing.layer = withBrush(drawing.layer);
    if (size.square) {
      drawing.width = cell - size.axis;
      drawing.height = cell - size.axis;
    } else {
      drawing.width = cell;
      if (size.aspect) drawing.height = Math.round(cell * size.aspect);
      drawing.autosize = { type: "fit-x", contains: "padding" };
    }
    if (drawing.title && drawing.title.limit) drawing.title = { ...drawing.title, limit: drawing.width + 8 };
    const { view } = await vegaEmbed(box, drawing, options);
    views.get(chart).push(view);
    if (!drawing.layer?.some((layer) => takes(layer, "brush"))) return;
    box.addEventListener("mousedown", () => {
      addEventListener("mouseup", async () => {
        // Applied once, at the end: eight thousand marks are not drawn again at every step of the mouse.
        await view.runAsync();
        assay.pick(inside(values, view.signal("brush")), "in the rectangle");
      }, { once: true });
    });
  };

  // Many panels under each other are a long way on a phone: one at a time there, or all.
  const offer = (chart, panels, across, print) => {
    const picker = document.querySelector(`[data-panels="${chart.dataset.chart}"]`);
    const many = across === 1 && panels.length >= SELECT_FROM && !print;
    picker.hidden = !many;
    if (!many) return panels;
    const select = picker.querySelector("select");
    if (!select.options.length) {
      const title = (panel, at) => [panel.title?.text ?? panel.title ?? `panel ${at + 1}`].flat().join(" ");
      select.append(...panels.map((panel, at) => make("option", { value: at, textContent: title(panel, at) })));
      select.append(make("option", { value: "all", textContent: `all ${panels.length} panels` }));
      select.addEventListener("change", () => {
        chosen.set(chart, select.value);
        drawnAt.delete(chart);
        enqueue(chart);
      });
    }
    const which = chosen.get(chart) ?? "0";
    return which === "all" ? panels : [panels[Number(which)]];
  };

  const draw = async (chart, print = false) => {
    const width = chart.clientWidth;
    if (!width || (drawnAt.get(chart) === width && !print)) return;
    drawnAt.set(chart, print ? 0 : width);
    for (const view of views.get(chart) || []) view.finalize();
    views.set(chart, []);
    const id = chart.dataset.chart;
    const wide = json(`${id}-spec`);
    const values = rowsOf(assay.columns(json(`${id}-data`)));
    const count = wide.concat ? wide.concat.length : 1;
    const size = { row: count, min: 280, max: 720, axis: 0, square: false, narrow: 480, ...wide.usermeta?.panel };
    const most = Math.max(1, Math.floor((width + GAP) / (size.min + GAP)));
    const across = columns(count, size.row, most);
    const cell = Math.min(size.max, Math.floor((width - GAP * (across - 1)) / across));
    const spec = (cell < size.narrow && json(`${id}-narrow`)) || wide;
    chart.style.gridTemplateColumns = `repeat(${across}, ${cell}px)`;
    chart.replaceChildren();
    for (const panel of offer(chart, spec.concat || [spec], across, print)) {
      await drawPanel(chart, spec, panel, cell, size, values);
    }
    chart.dataset.drawn = "";
    for (const [name, value] of Object.entries(state)) apply(name, value, [chart]);
  };

  // One figure at a time.
  let queue = Promise.resolve();
  const enqueue = (chart, print = false) => {
    queue = queue.then(() => draw(chart, print)).catch((error) => {
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

  const apply = (name, value, some = charts) => {
    const changed = [];
    for (const view of some.flatMap((chart) => views.get(chart) || [])) {
      try {
        if (JSON.stringify(view.signal(name)) === JSON.stringify(value)) continue;
      } catch {
        continue; // This figure knows no such value.
      }
      changed.push(view.signal(name, value).runAsync());
    }
    return Promise.all(changed);
  };
  assay.set = (name, value) => {
    state[name] = value;
    return apply(name, value);
  };
  assay.state = state;
  // For those who look at the page from outside: tests and benchmarks.
  assay.drawn = () => queue;
  assay.redraw = (chart) => {
    drawnAt.delete(chart);
    return enqueue(chart);
  };

  let wait = 0;
  addEventListener("resize", () => {
    clearTimeout(wait);
    wait = setTimeout(() => {
      for (const chart of charts) if (drawnAt.has(chart)) enqueue(chart);
    }, 200);
  });

  const drawAll = () => {
    for (const chart of charts) if (!drawnAt.has(chart) || chosen.has(chart)) enqueue(chart, chosen.has(chart));
    return queue;
  };
  assay.drawAll = drawAll;
  addEventListener("beforeprint", drawAll);
  document.getElementById("prepare").addEventListener("click", () => {
    say("Drawing every figure…");
    drawAll().then(() => say("Ready to print."));
  });
})();
