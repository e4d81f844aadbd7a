// Before the first paint: the colours that were chosen, else those of the system.
(() => {
  try {
    const chosen = localStorage.getItem("leadgauge-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* a browser that keeps nothing */ }
})();
