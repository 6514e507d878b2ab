// The page Explore: rows that are filtered, sorted, grouped, ticked and exported. What is shown follows from the state,
// and the state from the address alone, so that a view can be sent and the way back leads to the last one.
"use strict";

(() => {
  const { rows, words, element, exports } = harnessSite;
  const AT_ONCE = 100, FEW = 12;
  const LISTS = ["sort", "columns", "ids", "ticked"];
  const find = (id) => document.getElementById(id);
  const table = document.querySelector("#explore table"), head = table.querySelector("thead");
  /** A sorting word's column. */
  const bare = (word) => word.replace(/^-/, "");
  let state, shown = { rows: [], problems: [] }, drawing = 0, typing = 0;

  // -- the state, in the address -----------------------------------------------------------------------
  /** The state that an address says. */
  function parsed(hash) {
    const said = new URLSearchParams(hash.replace(/^#/, ""));
    const list = (name) => (said.get(name) || "").split(",").filter(Boolean);
    const known = (name) => rows.columns.has(bare(name));
    return {
      where: said.get("where") || "",
      group: rows.columns.has(said.get("group")) ? said.get("group") : "",
      page: Math.max(1, parseInt(said.get("page"), 10) || 1),
      sort: list("sort").filter(known),
      columns: list("columns").filter(known),
      ids: list("ids").map(rows.short),
      ticked: list("ticked").map(rows.short),
    };
  }

  /** The address of a state; what is as usual is not said. */
  function written(of) {
    const said = new URLSearchParams();
    for (const name of ["where", "group"]) if (of[name]) said.set(name, of[name]);
    for (const name of LISTS) if (of[name].length) said.set(name, of[name].join(","));
    if (of.page > 1) said.set("page", of.page);
    return `#${said.toString().replaceAll("%2C", ",").replaceAll("%3D", "=")}`;
  }

  /** Go to a changed state, which the way back leads from; any change but of page and ticks begins at the first page. */
  function go(change) {
    const next = { ...state, page: 1, ...change };
    clearTimeout(typing);
    if (written(next) === written(state)) return;
    location.hash = written(next);
    arrive(); // at once: the event comes later, maybe after the next change
  }

  /** Take over the state of the address. */
  function arrive() {
    const next = parsed(location.hash);
    if (state && written(next) === written(state)) return;
    const onlyTicks = state && written({ ...next, ticked: [] }) === written({ ...state, ticked: [] });
    state = next;
    if (onlyTicks) { // nothing is drawn anew: the focus stays where it is
      for (const box of table.querySelectorAll("tbody input")) box.checked = state.ticked.includes(box.dataset.key);
      drawControls();
      return;
    }
    if (find("where").value !== state.where) find("where").value = state.where;
    draw();
  }

  /** While someone types, rows follow at once, and the address when they pause. */
  function typed() {
    state = { ...state, where: find("where").value, page: 1 };
    draw();
    clearTimeout(typing);
    const before = location.hash;
    typing = setTimeout(() => { if (location.hash === before) location.replace(written(state)); }, 400);
  }

  // -- what follows from the state ---------------------------------------------------------------------
  const columnsShown = () => (state.columns.length ? state.columns : rows.usual);

  /** Draw the page, once the columns that it takes are there. */
  async function draw() {
    const turn = ++drawing;
    try {
      await rows.ready([...columnsShown(), ...rows.named(state.where), ...state.sort.map(bare), state.group]);
    } catch (error) {
      find("where-problem").textContent = error.message;
      return;
    }
    if (turn !== drawing) return; // overtaken by a later change
    choose();
    drawHead();
    drawBody();
    drawControls();
  }

  /** Which rows are shown, and in which order. */
  function choose() {
    shown = rows.chosen(state.where);
    if (state.ids.length) {
      // a record's own id stands for all of its contestants
      const wanted = new Set(state.ids);
      shown.rows = shown.rows.filter((row) => wanted.has(rows.key(row)) || wanted.has(rows.key(row).split("-")[0]));
    }
    const group = state.group ? [state.sort.find((word) => bare(word) === state.group) || state.group] : [];
    rows.sort(shown.rows, [...new Set([...group, ...state.sort])]);
  }

  /** Headings, which sort: once ascending, again descending; with the shift key, within the order that is there. */
  function drawHead() {
    const heading = (name) => {
      const column = rows.columns.get(name);
      const way = state.sort.includes(name) ? "ascending" : state.sort.includes(`-${name}`) ? "descending" : null;
      const mark = { ascending: " ▲", descending: " ▼" }[way] || " ↕";
      return element("th", { scope: "col", "aria-sort": way, class: words.right(column.form) ? "number" : null },
        element("button", {
          type: "button", title: column.about, "data-column": name,
          click: (event) => sortBy(name, way === "ascending" ? `-${name}` : name, event.shiftKey),
        }, name, element("span", { "aria-hidden": "true" }, mark)));
    };
    const focused = document.activeElement && document.activeElement.dataset.column;
    head.replaceChildren(element("tr", {},
      element("th", { scope: "col" }, element("span", { class: "unseen" }, "compare")),
      element("th", { scope: "col" }, "record"),
      ...columnsShown().map(heading)));
    if (focused) [...head.querySelectorAll("button")].find((each) => each.dataset.column === focused)?.focus();
  }

  function sortBy(name, word, within) {
    const others = within ? state.sort.filter((each) => bare(each) !== name) : [];
    go({ sort: [...others, word] });
  }

  /** The rows of this page, each group below its heading. */
  function drawBody() {
    const pages = Math.max(1, Math.ceil(shown.rows.length / AT_ONCE));
    state.page = Math.min(state.page, pages);
    const start = (state.page - 1) * AT_ONCE, part = shown.rows.slice(start, start + AT_ONCE);
    const columns = columnsShown().map((name) => ({ name, ...rows.columns.get(name) }));
    const ticked = new Set(state.ticked), bodies = [element("tbody")];
    let group;
    for (const row of part) {
      if (state.group && rows.value(state.group, row) !== group) {
        group = rows.value(state.group, row);
        bodies.push(element("tbody", {}, groupRow(group, columns.length + 2)));
      }
      bodies.at(-1).append(dataRow(row, columns, ticked));
    }
    for (const body of [...table.tBodies]) body.remove(); // and not the head, which may have the focus
    table.append(...bodies.filter((body) => body.childElementCount));
    drawPages(pages);
  }

  function groupRow(value, span) {
    const count = shown.rows.reduce((sum, row) => sum + (rows.value(state.group, row) === value), 0);
    const text = words.written(value, rows.columns.get(state.group).form) || "none";
    return element("tr", { class: "group" }, element("th", { scope: "rowgroup", colspan: span },
      element("span", {}, `${state.group}: ${text}`), element("span", { class: "soft" }, ` ${words.counted(count, "row")}`)));
  }

  function dataRow(row, columns, ticked) {
    const key = rows.key(row), name = rows.name(row), seal = rows.seal(row);
    const box = element("input", { type: "checkbox", "aria-label": `Compare ${name}`, "data-key": key, change: tick });
    box.checked = ticked.has(key);
    return element("tr", {},
      element("td", {}, box),
      element("th", { scope: "row" }, element("a", { href: `records/${seal}.html`, title: name, class: "digest" }, seal.slice(0, 8),
        element("span", { class: "unseen" }, ` ${name}`))),
      ...columns.map((column) => dataCell(column, rows.value(column.name, row))));
  }

  function dataCell({ name, form }, value) {
    const kind = words.right(form) ? "number" : name === "status" && value !== "ok" ? "status"
      : name === "solved" && value ? "yes" : String(value ?? "").length > 40 ? "long" : null;
    return element("td", { class: kind }, words.written(value, form));
  }

  function tick(event) {
    const { key } = event.target.dataset, others = state.ticked.filter((each) => each !== key);
    go({ ticked: event.target.checked ? [...others, key] : others, page: state.page });
  }

  function drawPages(pages) {
    const focused = find("pages").contains(document.activeElement) ? document.activeElement.textContent : null;
    const step = (text, page) => {
      const button = element("button", { type: "button", class: "button", click: () => go({ page }) }, text);
      button.disabled = page < 1 || page > pages;
      return button;
    };
    find("pages").hidden = pages === 1;
    find("pages").replaceChildren(
      step("First", state.page > 1 ? 1 : 0), step("Previous", state.page - 1),
      element("span", {}, ` Page ${state.page} of ${pages} `), step("Next", state.page + 1),
      step("Last", state.page < pages ? pages : 0));
    // the focus stays where it was, or goes to a button that still leads somewhere
    const buttons = [...find("pages").querySelectorAll("button:not(:disabled)")];
    if (focused) (buttons.find((each) => each.textContent === focused) || buttons[0])?.focus();
  }

  // -- controls ----------------------------------------------------------------------------------------
  function drawControls() {
    const all = rows.count, some = shown.rows.length;
    find("told").textContent = some === all ? words.counted(all, "row") : `${words.counted(some, "row")} of ${all.toLocaleString("en-US")}`;
    find("where-problem").textContent = shown.problems.join("; ");
    find("where").setAttribute("aria-invalid", String(shown.problems.length > 0));
    find("group").value = state.group;
    find("only").hidden = !state.ids.length;
    find("chosen").textContent = `(${columnsShown().length} of ${rows.columns.size})`;
    for (const box of document.querySelectorAll("#chooser input")) box.checked = columnsShown().includes(box.value);
    drawCompare();
    find("untick").hidden = !state.ticked.length;
  }

  /** The way to the comparison of the ticked rows; of all that are found, where they are few and none is ticked. */
  function drawCompare() {
    const few = !state.ticked.length && shown.rows.length > 1 && shown.rows.length <= FEW;
    const keys = few ? shown.rows.map(rows.key) : state.ticked;
    find("compare").hidden = keys.length < 2;
    find("compare").textContent = `Compare ${few ? "these " : ""}${words.counted(keys.length, "row")}`;
    find("compare").href = `compare.html#ids=${keys.join(",")}`;
    find("compare-hint").hidden = keys.length > 1;
    find("compare-hint").textContent = keys.length ? "Tick another row to compare the two." : "Tick two or more rows to compare them.";
  }

  /** Columns that were chosen, in the order of the table; the usual ones are not said. */
  function chooseColumns(chosen) {
    const usual = chosen.length === rows.usual.length && chosen.every((name) => rows.usual.includes(name));
    const ordered = [...rows.usual, ...rows.columns.keys()].filter((name, place, all) => all.indexOf(name) === place);
    go({ columns: usual ? [] : ordered.filter((name) => chosen.includes(name)), page: state.page });
  }

  function fillColumns() {
    const boxes = [...rows.columns].map(([name, column]) => element("label", {},
      element("input", { type: "checkbox", value: name, change: () => {
        chooseColumns([...document.querySelectorAll("#chooser input:checked")].map((box) => box.value));
      } }), " ", element("code", {}, name), element("span", { class: "soft" }, ` ${column.about}`)));
    document.querySelector("#chooser fieldset").append(...boxes);
    find("usual").addEventListener("click", () => go({ columns: [], page: state.page }));
    find("every").addEventListener("click", () => go({ columns: [...rows.columns.keys()], page: state.page }));
  }

  function fillMenus() {
    const names = [...rows.columns.keys()];
    const options = (list) => list.map((name) => element("option", { value: name }, name || "nothing"));
    find("group").append(...options(["", ...names]));
    find("field").append(...options(names));
    find("field").value = rows.usual[0] || "";
    find("group").addEventListener("change", () => go({ group: find("group").value }));
    find("field").addEventListener("change", fillValues);
    find("builder").addEventListener("toggle", fillValues);
    document.querySelector("#builder form").addEventListener("submit", (event) => {
      event.preventDefault();
      const word = `${find("field").value}${find("operator").value}${rows.quoted(find("value").value)}`;
      find("value").value = "";
      go({ where: `${state.where} ${word}`.trim() });
    });
  }

  /** The values that a column has, to choose from. */
  async function fillValues() {
    const name = find("field").value;
    if (!rows.columns.has(name)) return; // a site without records
    const { form } = rows.columns.get(name);
    await rows.ready([name]);
    const values = rows.different(name).slice(0, 200).map((value) => (form === "truth" ? words.written(value, form) : String(value)));
    find("values").replaceChildren(...values.map((value) => element("option", { value })));
  }

  /** All rows that are found, in their order, with the columns that are shown. */
  function exported() {
    const columns = columnsShown().map((name) => rows.columns.get(name));
    const values = shown.rows.map((row) => columns.map((column) => rows.value(column.name, row)));
    return {
      columns: columns.map((column) => ({ name: column.name, right: words.right(column.form) })),
      values, rows: values.map((row) => row.map((value, place) => words.written(value, columns[place].form))),
    };
  }

  fillColumns();
  fillMenus();
  find("exports").append(...exports.buttons("rows", exported));
  find("where").addEventListener("input", typed);
  document.querySelector("#explore form").addEventListener("submit", (event) => {
    event.preventDefault();
    go({ where: find("where").value, page: state.page });
  });
  document.querySelector("#only button").addEventListener("click", () => go({ ids: [] }));
  find("untick").addEventListener("click", () => go({ ticked: [], page: state.page }));
  addEventListener("hashchange", arrive);
  find("explore").hidden = false;
  arrive();
})();
