// Runs before the first paint, so that a page which was left dark does not flash white.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Pages opened from a file may have no storage: then the system decides.
}
