// Draws the charts of a page: Vega-Lite specs as data, without eval (its interpreter of expressions) and without a
// style that the policy would refuse. A pointer shows a mark's values; so do the arrow keys, mark by mark.
"use strict";
window.harnessSite = window.harnessSite || {};

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();

  // In print the style sheet takes over: a page may be printed before anything could be drawn again.
  function look() {
    const style = getComputedStyle(document.documentElement);
    const [ink, soft, line] = ["--ink", "--soft", "--line"].map((name) => style.getPropertyValue(name).trim());
    return {
      background: null, font: "system-ui, sans-serif",
      view: { stroke: null },
      axis: {
        labelColor: soft, titleColor: ink, gridColor: line, domainColor: soft, tickColor: soft,
        labelFontSize: 12, titleFontSize: 12, titleFontWeight: 600, labelLimit: 260, labelOverlap: true,
      },
      legend: {
        labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, orient: "bottom",
        labelLimit: 280, symbolSize: 90, symbolStrokeWidth: 2, symbolBaseFillColor: soft, symbolBaseStrokeColor: soft,
      },
      title: { color: ink }, header: { labelColor: ink, titleColor: ink },
      text: { color: ink }, rule: { color: soft }, line: { strokeWidth: 2 },
      point: { size: 55, filled: true, opacity: 1 },
    };
  }

  // The spec as it fits the element: legends in as many columns as there is room for.
  function fitted(spec, width) {
    const config = look();
    config.legend.columns = Math.max(1, Math.floor(width / 170));
    return Object.assign(
      { width: "container", height: 280, autosize: { type: "fit-x", contains: "padding", resize: true } },
      spec, { config: Object.assign(config, spec.config) });
  }

  async function draw(element, spec) {
    const known = drawn.get(element);
    if (known && known.view) known.view.finalize();
    const entry = { spec, view: null };
    drawn.set(element, entry);
    const result = await window.harnessVega.vegaEmbed(element, fitted(spec, element.clientWidth), {
      mode: "vega-lite", ast: true, actions: false, renderer: "svg", defaultStyle: false,
      tooltip: { disableDefaultStyle: true, theme: "ours" },
    });
    entry.view = result.view;
    element.removeAttribute("aria-roledescription");
    element.setAttribute("role", "application");
    element.dataset.drawn = "yes";
    return result.view;
  }

  // Arrow keys go from mark to mark and tell each in words, below the chart and to screen readers.
  function keys(element) {
    if (element.dataset.keys) return;
    element.dataset.keys = "yes";
    if (!element.hasAttribute("tabindex")) element.tabIndex = 0;
    let place = -1;
    const told = element.parentElement && element.parentElement.querySelector(".told");
    element.addEventListener("keydown", (event) => {
      const marks = [...element.querySelectorAll('[role="graphics-symbol"][aria-roledescription]')]
        .filter((mark) => !["line mark", "rule mark", "line mark container"].includes(
          mark.getAttribute("aria-roledescription")));
      const ahead = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Home") place = 0;
      else if (event.key === "End") place = marks.length - 1;
      else if (ahead) place = (place + ahead + marks.length) % marks.length;
      else return;
      if (!marks.length) return;
      event.preventDefault();
      for (const mark of element.querySelectorAll(".current")) mark.classList.remove("current");
      marks[place].classList.add("current");
      if (told) told.textContent = marks[place].getAttribute("aria-label");
    });
  }

  // Draws a spec into an element, from wherever it comes; a promise of the view.
  harnessSite.chart = (element, spec) => {
    keys(element);
    return draw(element, spec);
  };

  const again = () => {
    for (const [element, { spec }] of drawn) if (element.isConnected) draw(element, spec);
  };
  dark.addEventListener("change", again);
  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(again, 150);
  });

  // Those of the page itself: first what is near the window, so that a long page shows at once, then one after the
  // other the rest, so that all are there when it is printed.
  const begun = new Set();
  function start(element) {
    if (begun.has(element)) return Promise.resolve();
    begun.add(element);
    near.unobserve(element);
    const spec = JSON.parse(document.getElementById(element.dataset.chart).textContent);
    return harnessSite.chart(element, spec).catch((error) => {
      element.textContent = "This chart could not be drawn: " + error;
      element.dataset.drawn = "no";
      console.error(error);
    });
  }
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) start(entry.target);
  }, { rootMargin: "300px" });
  const all = [...document.querySelectorAll("[data-chart]")];
  for (const element of all) near.observe(element);
  const idle = window.requestIdleCallback || ((call) => setTimeout(call, 50));
  function rest() {
    const next = all.find((element) => !begun.has(element));
    if (next) idle(() => start(next).then(rest));
  }
  addEventListener("load", () => setTimeout(rest, 300));
})();
