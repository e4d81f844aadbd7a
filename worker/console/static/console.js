// What the pages need beside htmx: charts, the choice of colours, a slider's number, and no polling in a hidden tab.
(() => {
  "use strict";

  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const dark = () => root.dataset.theme === "dark"
    || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);

  // --- charts: each element says what it is and holds its numbers; it is drawn anew when its size or the colours change
  const drawn = new Map();

  const axis = (more) => ({
    stroke: colour("faint"), font: "12px system-ui, sans-serif", grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1, size: 4 }, ...more,
  });
  const plain = (u, splits) => splits.map((v) => (v >= 1e6 ? `${+(v / 1e6).toFixed(1)}M` : v >= 1e4 ? `${+(v / 1e3).toFixed(0)}k` : v));
  const base = (box) => ({
    width: Math.max(200, box.clientWidth), height: box.clientHeight || 220, legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } }, padding: [12, 10, 0, 0],
  });
  const tip = (text) => ({
    hooks: {
      init: (u) => { u.tip = document.createElement("div"); u.tip.className = "tip"; u.over.appendChild(u.tip); },
      setCursor: (u) => {
        const i = u.cursor.idx;
        const said = i == null || u.cursor.left < 0 ? "" : text(u, i);
        u.tip.textContent = said;
        u.tip.classList.toggle("shown", said !== "");
        if (said) {
          const right = u.cursor.left > u.over.clientWidth / 2;
          u.tip.style.left = right ? "auto" : `${u.cursor.left + 10}px`;
          u.tip.style.right = right ? `${u.over.clientWidth - u.cursor.left + 10}px` : "auto";
        }
      },
    },
  });
  const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
  const instant = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");

  // People by score: a bar each point, in the colour of its bucket, and the lines of the policy.
  function spread(box, { counts, floors, enter, leave, draft }) {
    const hue = (score) => colour((floors.find(([, from]) => score >= from) || ["plain"])[0]) || colour("plain");
    const most = Math.max(1, ...counts);
    const line = (u, at, ink, dash, label, lift, left) => {
      const x = u.valToPos(at - 0.5, "x", true), { top, height } = u.bbox, c = u.ctx, r = devicePixelRatio;
      c.save(); c.beginPath(); c.setLineDash(dash.map((d) => d * r)); c.lineWidth = 2 * r; c.strokeStyle = ink;
      c.moveTo(x, top); c.lineTo(x, top + height); c.stroke();
      c.fillStyle = ink; c.font = `600 ${12 * r}px system-ui, sans-serif`;
      const far = left ? at > 12 : at > 85; c.textAlign = far ? "right" : "left";
      c.fillText(label, x + (far ? -5 : 5) * r, top + (12 + lift) * r); c.restore();
    };
    return new uPlot({
      ...base(box),
      scales: { x: { time: false, range: [-1, 101] }, y: { range: [0, most * 1.15] } },
      axes: [axis({ values: plain, grid: { show: false }, size: 30 }), axis({ values: plain, size: 52 })],
      series: [{}, { paths: () => null, points: { show: false } }],
      plugins: [tip((u, i) => `${counts[i].toLocaleString("en")} with ${i}`)],
      hooks: {
        draw: [(u) => {
          const c = u.ctx, width = Math.max(1, (u.valToPos(1, "x", true) - u.valToPos(0, "x", true)) * 0.82);
          const floor = u.valToPos(0, "y", true);
          counts.forEach((n, score) => {
            if (!n) return;
            const top = Math.min(floor - devicePixelRatio, u.valToPos(n, "y", true));
            c.fillStyle = hue(score);
            c.fillRect(u.valToPos(score, "x", true) - width / 2, top, width, floor - top);
          });
          line(u, leave, colour("faint"), [2, 4], `leaves ${leave}`, 0, true);
          line(u, enter, colour("ink"), [], `MQL ${enter}`, 0);
          if (draft != null && draft !== enter) line(u, draft, colour("accent"), [6, 4], `draft ${draft}`, 18, draft < enter);
        }],
      },
    }, [counts.map((_, i) => i), counts], box);
  }

  // One person's score: steps, as it holds until the next.
  function history(box, { at, score, enter }) {
    return new uPlot({
      ...base(box),
      scales: { x: { time: true }, y: { range: [0, 100] } },
      axes: [axis({ grid: { show: false }, size: 30, values: (u, s) => s.map((v) => (at[at.length - 1] - at[0] > 3 * 86400 ? day(v).slice(5) : instant(v).slice(11))) }), axis({ size: 40 })],
      series: [{}, {
        stroke: colour("accent"), width: 2, paths: uPlot.paths.stepped({ align: 1 }), fill: colour("accent-soft"),
        points: { show: at.length < 40, size: 5, fill: colour("accent") }, spanGaps: false,
      }],
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "UTC"),
      plugins: [tip((u, i) => (score[i] == null ? "" : `${score[i]} from ${instant(at[i])} UTC`))],
      hooks: {
        draw: [(u) => {
          if (enter == null) return;
          const c = u.ctx, y = u.valToPos(enter, "y", true);
          c.save(); c.beginPath(); c.setLineDash([5, 5]); c.strokeStyle = colour("faint"); c.lineWidth = devicePixelRatio;
          c.moveTo(u.bbox.left, y); c.lineTo(u.bbox.left + u.bbox.width, y); c.stroke(); c.restore();
        }],
      },
    }, [at, score], box);
  }

  // Days: bars of all, and of them those that went well.
  function days(box, { at, all, well, words }) {
    const bars = uPlot.paths.bars({ size: [0.7, 40] });
    return new uPlot({
      ...base(box),
      scales: { x: { time: true, range: (u, a, b) => [a - 43200, b + 43200] }, y: { range: (u, a, b) => [0, Math.max(1, b * 1.1)] } },
      axes: [axis({ grid: { show: false }, size: 30, values: (u, s) => s.map((v) => day(v).slice(5)), incrs: [86400, 172800, 604800] }), axis({ values: plain, size: 52 })],
      series: [{}, { paths: bars, fill: colour("bad-soft"), stroke: colour("bad"), width: 0, points: { show: false } },
        { paths: bars, fill: colour("accent"), stroke: colour("accent"), width: 0, points: { show: false } }],
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "UTC"),
      plugins: [tip((u, i) => `${day(at[i])}: ${well[i].toLocaleString("en")} of ${all[i].toLocaleString("en")} ${words}`)],
    }, [at, all, well], box);
  }

  // What was said beside what came: points, and the line where both are the same.
  function calibration(box, { said, came, people }) {
    const most = Math.min(1, Math.max(0.05, ...said, ...came) * 1.1);
    return new uPlot({
      ...base(box), padding: [12, 22, 0, 0],
      scales: { x: { time: false, range: [0, most] }, y: { range: [0, most] } },
      axes: [axis({ values: (u, s) => s.map((v) => `${Math.round(100 * v)} %`), grid: { show: false }, size: 30 }),
        axis({ values: (u, s) => s.map((v) => `${Math.round(100 * v)} %`), size: 52 })],
      series: [{}, { stroke: colour("accent"), width: 2, points: { show: true, size: 7, fill: colour("accent") } }],
      plugins: [tip((u, i) => `said ${(100 * said[i]).toFixed(1)} %, came ${(100 * came[i]).toFixed(1)} % of ${people[i].toLocaleString("en")}`)],
      hooks: {
        drawClear: [(u) => {
          const c = u.ctx; c.save(); c.beginPath(); c.setLineDash([5, 5]); c.strokeStyle = colour("faint"); c.lineWidth = devicePixelRatio;
          c.moveTo(u.valToPos(0, "x", true), u.valToPos(0, "y", true));
          c.lineTo(u.valToPos(most, "x", true), u.valToPos(most, "y", true)); c.stroke(); c.restore();
        }],
      },
    }, [said, came], box);
  }

  const kinds = { spread, history, days, calibration };

  function draw(box) {
    const before = drawn.get(box);
    if (before) { before.destroy(); drawn.delete(box); }
    if (!box.isConnected || !box.clientWidth) return;
    drawn.set(box, kinds[box.dataset.chart](box, JSON.parse(box.dataset.values)));
    box.dataset.drawn = box.dataset.values.length;
  }
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const chart = drawn.get(target);
      if (!chart) draw(target);
      else if (Math.abs(chart.width - target.clientWidth) > 1) chart.setSize({ width: target.clientWidth, height: target.clientHeight });
    }
  });
  function find() {
    // What runs over can be scrolled by keyboard, too.
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; else box.removeAttribute("tabindex");
    }
    for (const box of drawn.keys()) if (!box.isConnected) { drawn.get(box).destroy(); drawn.delete(box); sizes.unobserve(box); }
    for (const box of document.querySelectorAll("[data-chart]")) {
      if (box.seen !== box.dataset.values) { box.seen = box.dataset.values; draw(box); sizes.observe(box); }
    }
  }
  const again = () => { for (const box of [...drawn.keys()]) draw(box); };

  // --- the choice of colours
  function choose(theme) {
    root.dataset.theme = theme;
    try { localStorage.setItem("leadgauge-theme", theme); } catch { /* it holds for this page */ }
    again();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);

  // --- a slider says its number, and moves its line, before the server has answered
  function slide(input) {
    const shown = document.getElementById(input.dataset.shows);
    if (shown) shown.textContent = input.value;
    const box = document.getElementById(input.dataset.moves);
    if (box) {
      const values = JSON.parse(box.dataset.values);
      values.draft = Number(input.value);
      box.dataset.values = JSON.stringify(values);
      find();
    }
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-does]");
    if (!target) return;
    if (target.dataset.does === "theme") choose(dark() ? "light" : "dark");
    if (target.dataset.does === "open") document.getElementById(target.dataset.what)?.showModal();
    if (target.dataset.does === "close") target.closest("dialog")?.close();
  });
  document.addEventListener("input", (event) => { if (event.target.matches("input[type=range][data-shows]")) slide(event.target); });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); }
    }
  });
  // A page that nobody looks at asks for nothing, a list that somebody works in (rows chosen, further ones loaded) stays
  // as it is, and a page that asks by itself keeps nobody signed in.
  document.addEventListener("htmx:config:request", (event) => {
    const asked = event.detail.ctx;
    if (asked.sourceEvent?.type !== "every") return;
    if (document.hidden || asked.sourceElement.querySelector(":checked, [data-later]")) event.preventDefault();
    asked.request.headers["X-Polling"] = "1";
  });
  // Whatever did not come at all is said, where the page says things.
  document.addEventListener("htmx:error", () => { document.getElementById("offline")?.removeAttribute("hidden"); });
  document.addEventListener("htmx:after:request", () => { document.getElementById("offline")?.setAttribute("hidden", ""); });
  document.addEventListener("htmx:after:swap", find);
  document.addEventListener("DOMContentLoaded", find);
})();
