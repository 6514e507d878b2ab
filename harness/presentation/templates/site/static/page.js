// What all scripts of pages need: elements whose texts stay texts, and data that is loaded when it is wanted.
"use strict";
window.harnessSite = window.harnessSite || {};

(() => {
  const loading = new Map();

  /** An element with attributes (a function is a listener, null is left out) and children; texts stay texts. */
  harnessSite.element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(key, value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };

  /** Load data/<name>.js, once, which assigns to harnessSite.<name>; a promise of that. */
  harnessSite.load = (name) => {
    if (name in harnessSite) return Promise.resolve(harnessSite[name]);
    if (!loading.has(name)) {
      loading.set(name, new Promise((resolve, reject) => {
        document.head.append(harnessSite.element("script", {
          src: `data/${name}.js`,
          load: () => resolve(harnessSite[name]),
          error: () => reject(new Error(`data/${name}.js could not be loaded`)),
        }));
      }));
    }
    return loading.get(name);
  };

  /** A table in a region that scrolls: {columns: [{name, right}], rows: [[text or element, …]]}; the first column heads rows. */
  harnessSite.drawnTable = (table, label) => {
    const kind = (place, cell) => (table.columns[place].right ? "number" : String(cell).length > 40 ? "long" : null);
    const cell = (value, place) => (place
      ? harnessSite.element("td", { class: kind(place, value) }, ...[value].flat())
      : harnessSite.element("th", { scope: "row" }, value));
    return harnessSite.element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": label },
      harnessSite.element("table", { class: "results" },
        harnessSite.element("thead", {}, harnessSite.element("tr", {}, ...table.columns.map((column, place) => (
          harnessSite.element("th", { scope: "col", class: kind(place, "") }, column.name))))),
        harnessSite.element("tbody", {}, ...table.rows.map((row) => harnessSite.element("tr", {}, ...row.map(cell))))));
  };
})();
