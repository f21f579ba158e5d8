// One model on every axis against its group, and beside another one. The address says which: #model=A&with=B.
(() => {
  const data = assay.json("cards-data");
  if (!data) return;
  const { make, say } = assay;
  const first = document.getElementById("card-model");
  const second = document.getElementById("card-with");
  const table = document.getElementById("card-table");
  const note = document.getElementById("card-note");
  const at = new Map(data.models.map((name, i) => [name, i]));
  const none = () => make("td", { className: "number missing", textContent: "–" });

  const difference = (amount, unit) => {
    const number = unit === "rate" ? (100 * amount).toFixed(1) : amount.toPrecision(3);
    return `${amount > 0 ? "+" : ""}${number}`.replace("-", "−");
  };
  const pairOf = (axis, a, b) => {
    const pairs = axis.pairs;
    const i = pairs ? pairs.members.indexOf(a) : -1;
    const j = pairs ? pairs.members.indexOf(b) : -1;
    if (i < 0 || j < 0) return null;
    const [low, high] = i < j ? [i, j] : [j, i];
    const place = low * pairs.members.length - (low * (low + 1)) / 2 + high - low - 1;
    const sign = i < j ? 1 : -1;
    const ends = [sign * pairs.lo[place], sign * pairs.hi[place]];
    return {
      value: sign * pairs.difference[place], lo: Math.min(...ends), hi: Math.max(...ends), p: pairs.p[place],
    };
  };

  // Where the model stands between the ends of all models; the bar is its group's middle 80 %.
  const bar = (axis, a) => {
    const known = axis.values.filter((value) => value !== null);
    const low = Math.min(...known);
    const wide = Math.max(...known) - low || 1;
    const share = (value) => `${(100 * (value - low)) / wide}%`;
    const range = axis.ranges[data.groups[a]];
    const box = make("span", { className: "range" });
    box.setAttribute("aria-hidden", "true");
    if (range) {
      const middle = make("span", { className: "range-group" });
      middle.style.left = share(range[0]);
      middle.style.width = `${(100 * (range[1] - range[0])) / wide}%`;
      middle.style.background = `var(--group-${data.colours[a]})`;
      box.append(middle);
    }
    const mark = make("span", { className: "range-mark" });
    mark.style.left = share(axis.values[a]);
    box.append(mark);
    return box;
  };
  const rank = (axis, a) => {
    const own = axis.values[a];
    const group = axis.values.filter((value, i) => value !== null && data.groups[i] === data.groups[a]);
    const better = group.filter((value) => (axis.lower ? value < own : value > own)).length;
    return `${better + 1} of ${group.length}`;
  };

  const row = (axis, a, b) => {
    const line = make("tr", {}, make("th", { scope: "row", textContent: axis.name }));
    line.append(axis.values[a] === null ? none() : make("td", { className: "number", textContent: axis.texts[a] }));
    if (axis.values[a] === null) line.append(none(), none());
    else {
      const range = axis.ranges[data.groups[a]];
      const words = make("span", { className: "range-words", textContent: range ? ` ${range[2]}` : "" });
      line.append(make("td", {}, bar(axis, a), words), make("td", { className: "number", textContent: rank(axis, a) }));
    }
    if (b === undefined) return line;
    line.append(axis.values[b] === null ? none() : make("td", { className: "number", textContent: axis.texts[b] }));
    if (axis.values[a] === null || axis.values[b] === null) line.append(none(), none());
    else {
      const pair = pairOf(axis, a, b);
      const amount = pair ? pair.value : axis.values[a] - axis.values[b];
      const ends = pair ? ` [${difference(pair.lo, axis.unit)}, ${difference(pair.hi, axis.unit)}]` : "";
      const p = pair ? (pair.p < 0.001 ? "< 0.001" : pair.p.toFixed(3)) : "not paired";
      line.append(
        make("td", { className: "number", textContent: difference(amount, axis.unit) + ends }),
        make("td", { className: pair ? "number" : "number missing", textContent: p }),
      );
    }
    return line;
  };

  const quote = (word) => (/^[\w.@%+=:,/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\"'\"'")}'`);
  const show = () => {
    const a = at.get(first.value);
    const b = second.value ? at.get(second.value) : undefined;
    const shown = data.axes.filter((axis) => axis.values[a] !== null || (b !== undefined && axis.values[b] !== null));
    const head = ["measure, rates in %", data.models[a], `10th to 90th percentile of ${data.groups[a]}`, "rank in its group"];
    if (b !== undefined) head.push(data.models[b], "difference [95 % paired]", "p (McNemar)");
    const cells = head.map((text) => make("th", { scope: "col", textContent: text }));
    table.replaceChildren(
      make("thead", {}, make("tr", {}, ...cells)),
      make("tbody", {}, ...shown.map((axis) => row(axis, a, b))),
    );
    const title = b === undefined ? data.models[a] : `${data.models[a]} and ${data.models[b]}`;
    document.getElementById("cards-caption").textContent = `${title}: ${shown.length} measures`;
    const unpaired = b !== undefined && a !== b && !shown.some((axis) => pairOf(axis, a, b));
    note.hidden = !unpaired;
    if (unpaired) {
      const words = [...data.command, "--model", data.models[a], "--model", data.models[b]];
      note.replaceChildren(
        "This page has no paired data of these two: ",
        make("code", { textContent: words.map(quote).join(" ") }),
        " makes one that has.",
      );
    }
    say(title);
  };
  const address = () => {
    const more = second.value ? `&with=${encodeURIComponent(second.value)}` : "";
    history.replaceState(null, "", `#model=${encodeURIComponent(first.value)}${more}`);
  };
  for (const select of [first, second]) {
    select.addEventListener("change", () => {
      show();
      address();
    });
  }

  const follow = () => {
    if (!location.hash.startsWith("#model=")) return;
    const asked = new URLSearchParams(location.hash.slice(1));
    if (!at.has(asked.get("model"))) return;
    first.value = asked.get("model");
    second.value = at.has(asked.get("with")) ? asked.get("with") : "";
    show();
    document.getElementById("models").scrollIntoView();
  };
  addEventListener("hashchange", follow);
  const options = (names) => names.map((name) => make("option", { value: name, textContent: name }));
  first.append(...options(data.models));
  second.append(make("option", { value: "", textContent: "no other model" }), ...options(data.models));
  show();
  assay.say("");
  follow();
})();
