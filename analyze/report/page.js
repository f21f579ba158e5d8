"use strict";
// What the other scripts of the page share, the theme, and the downloads.
const assay = {
  json: (id) => {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : null;
  },
  say: (text) => {
    document.getElementById("status").textContent = text;
  },
  // A column is a list, or distinct words and the place of each row's among them.
  columns: (packed) => {
    const plain = (column) => (Array.isArray(column) ? column : column.at.map((at) => column.words[at]));
    return Object.fromEntries(Object.entries(packed).map(([name, column]) => [name, plain(column)]));
  },
  make: (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  },
};
(() => {
  for (const tools of document.querySelectorAll("[data-tools]")) tools.hidden = false;

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

  // The data as CSV: the values of the chart's table, else the text of the table on the page.
  const quote = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csvOf = (section) => {
    const packed = assay.json(`${section}-data`);
    if (packed) {
      const data = assay.columns(packed);
      const names = Object.keys(data);
      return [names, ...data[names[0]].map((_, i) => names.map((name) => data[name][i]))];
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
})();
