// Groups on and off, and models found by name or by a rectangle: one choice for all figures of the page.
(() => {
  const bar = document.getElementById("filter");
  if (!bar || !assay.set) return;
  const SHOWN = 8;
  const WAIT_MS = 180;
  const { make } = assay;
  const buttons = Array.from(bar.querySelectorAll("[data-group]"));
  const search = bar.querySelector("input");
  const found = document.getElementById("found");
  const matches = document.getElementById("matches");
  const clear = document.getElementById("clear");
  const names = Array.from(document.querySelectorAll("#model-names option"), (option) => option.value);

  const press = (pressed) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(pressed(button)));
    const off = buttons.filter((button) => button.getAttribute("aria-pressed") === "false");
    return assay.set("off", off.map((button) => button.dataset.group));
  };
  const on = (button) => button.getAttribute("aria-pressed") === "true";
  for (const button of buttons) {
    button.addEventListener("click", (event) => {
      if (!event.shiftKey) return press((other) => (other === button ? !on(other) : on(other)));
      // Only this one; once more, all of them.
      const alone = on(button) && buttons.every((other) => other === button || !on(other));
      return press((other) => alone || other === button);
    });
  }

  const words = (count) => (count === 1 ? "1 model" : `${count} models`);
  assay.pick = (picked, how) => {
    found.textContent = how ? `${words(picked.length)} ${how}` : "";
    clear.hidden = !how;
    const cards = document.getElementById("card-model");
    const links = picked.slice(0, SHOWN).map((name) => (cards
      ? make("a", { href: `#model=${encodeURIComponent(name)}`, textContent: name })
      : make("span", { textContent: name })));
    matches.replaceChildren(...links);
    if (picked.length > SHOWN) matches.append(make("span", { textContent: `and ${picked.length - SHOWN} more` }));
    return assay.set("hits", picked);
  };

  let wait = 0;
  search.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => {
      const text = search.value.trim().toLowerCase();
      if (text.length < 2) return assay.pick([], "");
      const picked = names.filter((name) => name.toLowerCase().includes(text));
      return assay.pick(picked, picked.length === 1 ? "matches" : "match");
    }, WAIT_MS);
  });
  clear.addEventListener("click", () => {
    search.value = "";
    assay.pick([], "");
    search.focus();
  });
})();
