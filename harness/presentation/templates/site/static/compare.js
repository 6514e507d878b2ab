// The page Compare: the rows that its address names, side by side. How they are judged is in judge.js.
"use strict";

(() => {
  const { element, words, judge, exports, law } = harnessSite;
  const ID = /^([0-9a-f]+)(-\d+)?$/;
  const WIDE = 20; // beyond this ratio an axis of positive values is logarithmic
  const MAY_DIFFER = new Set(["backend", "variant", "device", "seed", "model.cell", "model.source", "model.sha256"]);
  const byText = new Intl.Collator("en", { numeric: true }).compare;
  const find = (id) => document.getElementById(id);
  const letter = (place) => (place < 26 ? String.fromCharCode(65 + place) : `S${place + 1}`);
  let rows = [], sides = [], arriving = 0;

  // -- which rows ------------------------------------------------------------------------------------
  /** The rows that an id of an address names: one, or all contestants of a record. Rejects where there is none. */
  async function rowsOf(id) {
    const [, digest, place] = ID.exec(id) || [];
    if (!digest || digest.length < law.digits) throw new Error(`${id} is no id of a row`);
    const all = await harnessSite.load(`record${digest.slice(0, law.digits)}`).catch(() => {
      throw new Error(`this site has no record ${id}`);
    });
    const found = all.filter((row) => place === undefined || row.key.endsWith(place));
    if (!found.length) throw new Error(`this site has no row ${id}`);
    return Promise.all(found.map(async (row) => ({ ...row, traits: [...row.traits, ...await harnessSite.load(row.around)] })));
  }

  async function arrive() {
    const turn = ++arriving;
    const ids = (new URLSearchParams(location.hash.replace(/^#/, "")).get("ids") || "").split(",").filter(Boolean);
    const found = await Promise.allSettled([...new Set(ids)].map(rowsOf));
    if (turn !== arriving) return; // overtaken by another address
    const seen = new Map(found.flatMap((each) => each.value || []).map((row) => [row.key, row]));
    rows = [...seen.values()];
    sides = judge.sides(rows);
    tell(found.filter((each) => each.reason).map((each) => each.reason.message));
    find("compare").hidden = rows.length < 2;
    if (rows.length > 1) draw();
  }

  function tell(problems) {
    const count = rows.length > 1 ? `${words.counted(rows.length, "row")} on ${words.counted(sides.length, "side")}. ` : "";
    const wanted = rows.length > 1 ? "" : "Two rows or more are compared: tick them in ";
    find("told").replaceChildren(count, ...problems.map((problem) => element("span", { class: "bad" }, `${problem}. `)), wanted,
      rows.length > 1 ? element("a", { href: `explore.html#ids=${rows.map((row) => row.key).join(",")}` }, "These rows in Explore")
        : element("a", { href: "explore.html" }, "Explore"));
  }

  function draw() {
    find("answers").replaceChildren(...sides.slice(1).map((side, place) => answer(side, letter(place + 1))));
    const table = sideBySide();
    find("sides").replaceChildren(harnessSite.drawnTable({ columns: table.columns, rows: linked(table.rows) }, "Side by side"),
      element("p", { role: "group", "aria-label": "Download this table" }, element("span", { class: "soft" }, "Download as "),
        ...exports.buttons("comparison", () => table)));
    drawCurves();
    find("differences").replaceChildren(...differences());
  }

  // -- answers in words ------------------------------------------------------------------------------
  const interval = ({ low, high, what }) => `${what} ${words.number(low)}–${words.number(high)}`;

  /** The same of the inverse. */
  const inverse = (found) => ({ ...found, value: 1 / found.value, low: 1 / found.high, high: 1 / found.low });

  /** Which of two sides is faster, and by how much; or why that cannot be told. */
  function speedWords(found, b) {
    if (found.state === "not judged") return `Speed is not judged: ${found.why}.`;
    if (found.state === "same") return `No difference in speed can be told (ratio ${words.number(1 / found.value)}, ${interval(inverse(found))}).`;
    const [ahead, behind, times] = found.state === "worse" ? ["A", b, found] : [b, "A", inverse(found)];
    return `${ahead} is ${words.number(times.value)}× as fast as ${behind} (${interval(times)}).`;
  }

  function scoreWords(found, b) {
    return {
      better: `${b} learned more.`, worse: `A learned more.`, same: "No difference in score can be told.",
      "not judged": `The score is not judged: ${found.why}.`,
    }[found.state];
  }

  function memoryWords(found, b) {
    if (found.state === "not judged") return `Memory is not judged: ${found.why}.`;
    if (found.state === "same") return "No difference in memory can be told.";
    const [more, less, times] = found.state === "worse" ? [b, "A", found] : ["A", b, inverse(found)];
    return `${more} takes ${words.number(times.value)}× the memory of ${less} (${interval(times)}).`;
  }

  /** Whether a side did the same work as A: who computed it, where, with which cell and seed may differ. */
  function otherWork(side) {
    const other = judge.specs([...sides[0], ...side]).map(([name]) => name).filter((name) => !MAY_DIFFER.has(name));
    return other.length ? ` Not the same work: ${other.join(", ")} differ${other.length === 1 ? "s" : ""}.` : "";
  }

  function answer(side, b) {
    const heading = element("strong", {}, `${b} beside A. `), why = judge.otherTask(sides[0], side);
    if (why) return element("li", {}, heading, `The two may not be compared: ${why}.`);
    const speed = judge.time(sides[0], side), known = speed.state === "worse" || speed.state === "better";
    const scored = [...sides[0], ...side].some((row) => row.score);
    return element("li", {}, heading, element("span", { class: known ? "known" : null }, speedWords(speed, b)),
      known ? otherWork(side) : "", scored ? ` ${scoreWords(judge.score(sides[0], side), b)}` : "",
      ` ${memoryWords(judge.memory(sides[0], side), b)}`);
  }

  // -- side by side ----------------------------------------------------------------------------------
  const unique = (values) => [...new Set(values.filter((value) => value !== null && value !== ""))].sort(byText).join(", ");

  function range(values, write) {
    if (!values.length) return "";
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return values.length === 1 || low === high ? write(judge.median(values)) : `${write(judge.median(values))} (${write(low)} to ${write(high)})`;
  }

  function rateWords(side) {
    const rates = side.map((row) => row.rate).filter(Boolean);
    if (rates.length !== 1) return range(rates.map((rate) => rate.median), words.number);
    return `${words.number(rates[0].median)} (${words.number(rates[0].p10)} to ${words.number(rates[0].p90)})`;
  }

  function timesWords(side) {
    if (side === sides[0]) return "1";
    const found = judge.time(sides[0], side);
    if (found.state === "not judged") return "not judged";
    const times = inverse(found);
    return `${words.number(times.value)} (${words.number(times.low)}–${words.number(times.high)})`;
  }

  /** The table of figures; of records, the row `records` holds ids, which the page shows as links. */
  function sideBySide() {
    const scores = (side) => side.map((row) => row.score).filter(Boolean);
    const lines = [
      ["records", (side) => side.map((row) => row.key).join(" ")],
      ["what", (side) => unique(side.map((row) => row.name))],
      ["ended", (side) => unique(side.map((row) => (row.reason ? `${row.status}: ${row.reason}` : row.status)))],
      ["seeds", (side) => unique(side.map((row) => row.seed))],
      ["machine", (side) => unique(side.map((row) => row.machine))],
      ["disturbed by", (side) => unique(side.flatMap((row) => row.noise)) || "nothing known"],
      ["sequences per second", rateWords],
      ["times as fast as A", timesWords],
      ["score", (side) => (scores(side).length ? `${scores(side)[0].name} ${range(scores(side).map((score) => score.value), words.score)}` : "")],
      ["solved", (side) => (scores(side).length ? `${scores(side).filter((score) => score.solved).length} of ${side.length}` : "")],
      ["growth of memory, MiB", (side) => range(side.map((row) => row.growth).filter((growth) => growth !== null), words.number)],
      ["measured", (side) => unique(side.map((row) => row.created))],
    ];
    const cells = lines.map(([name, of]) => [name, ...sides.map(of)]);
    return { columns: [{ name: "quantity" }, ...sides.map((_, place) => ({ name: letter(place) }))], rows: cells, values: cells };
  }

  const linked = (cells) => cells.map((cell) => (cell[0] !== "records" ? cell : [cell[0], ...sides.map((side) => side.flatMap((row) => [
    element("a", { href: `records/${row.seal}.html`, class: "digest" }, row.key.slice(0, 8)), " ",
  ]))]));

  // -- curves ----------------------------------------------------------------------------------------
  /** Every evaluation of every row: which side and run, where, and what it gave. */
  function points() {
    return sides.flatMap((side, place) => side.filter((row) => row.curve).flatMap((row) => row.curve.steps.map((step, at) => ({
      side: `${letter(place)}: ${row.name}`, run: row.key, seed: row.seed, step,
      seconds: row.curve.seconds[at], loss: row.curve.losses[at], score: row.curve.scores[at],
    }))));
  }

  function axis(field, title, values) {
    const least = Math.min(...values), wide = least > 0 && Math.max(...values) / least > WIDE;
    return { field, type: "quantitative", title, scale: wide ? { type: "log" } : { zero: false, nice: true }, axis: { format: "~s", tickCount: 6 } };
  }

  function curves(shown, x, y) {
    const names = [...new Set(shown.map((point) => point.side))];
    const title = { step: "updates", seconds: "seconds in training", loss: "loss", score: rows.find((row) => row.score)?.score.name || "score" };
    const tooltip = ["side", "seed", "step", "seconds", y].map((field) => ({ field, title: title[field] || field }));
    return {
      data: { values: shown }, mark: { type: "line", point: true },
      encoding: {
        x: { ...axis(x, title[x], [0]), scale: { zero: true } },
        y: axis(y, title[y], shown.map((point) => point[y])),
        color: { field: "side", type: "nominal", title: null, legend: { labelLimit: Math.min(280, find("curves").clientWidth - 90) }, scale: { domain: names, range: names.map((_, place) => law.colours[place % law.colours.length]) } },
        strokeDash: { field: "side", type: "nominal", title: null, scale: { domain: names } },
        shape: { field: "side", type: "nominal", title: null, scale: { domain: names } },
        detail: { field: "run" }, tooltip,
      },
    };
  }

  function drawCurves() {
    const [x, y] = [find("x").value, find("y").value];
    const shown = points().filter((point) => point[y] !== null);
    const drawable = shown.length && new Set(rows.filter((row) => row.curve).map((row) => row.task)).size === 1;
    find("axes").hidden = !points().length;
    if (!drawable) {
      find("curves").replaceChildren(element("p", { class: "soft" }, shown.length ? "Curves of different tasks are not drawn over one another." : "None of these rows has a curve."));
      return;
    }
    const place = element("div", { class: "drawn", role: "application", tabindex: 0, "aria-label": "Curves: arrow keys go from mark to mark" });
    const columns = ["side", "seed", "updates", "seconds in training", y];
    const cells = shown.map((point) => [point.side, point.seed, words.written(point.step, "whole"), words.number(point.seconds), words.score(point[y])]);
    find("curves").replaceChildren(element("figure", { class: "chart" }, place, element("p", { class: "told", role: "status" }),
      element("details", {}, element("summary", {}, "The same as a table"),
        harnessSite.drawnTable({ columns: columns.map((name, at) => ({ name, right: at > 0 })), rows: cells }, "Curves"))));
    harnessSite.chart(place, curves(shown, x, y)).catch((error) => { place.textContent = `The curves could not be drawn: ${error}`; });
  }

  // -- what differs ----------------------------------------------------------------------------------
  const shownValue = (value) => (value === null ? "none" : Array.isArray(value) ? value.join(", ") || "none more" : String(value));

  /** What each side has of a field: the different values of its rows. */
  function bySide(values) {
    const of = new Map(rows.map((row, place) => [row.key, shownValue(values[place])]));
    return sides.map((side) => unique(side.map((row) => of.get(row.key))));
  }

  function differences() {
    const columns = [{ name: "field" }, ...sides.map((_, place) => ({ name: letter(place) }))];
    const part = (heading, found, none) => {
      // the same seeds on each side are no difference between them
      const cells = found.map(([name, values]) => [name, ...bySide(values)]).filter(([, ...each]) => new Set(each).size > 1);
      return [element("h3", {}, heading),
        cells.length ? harnessSite.drawnTable({ columns, rows: cells }, heading) : element("p", { class: "soft" }, none)];
    };
    return [
      ...part("In their specs", judge.specs(rows), "The same was asked for."),
      ...part("Around them", judge.apart(rows), "Nothing that is recorded differs."),
    ];
  }

  find("x").addEventListener("change", drawCurves);
  find("y").addEventListener("change", drawCurves);
  addEventListener("hashchange", arrive);
  arrive();
})();
