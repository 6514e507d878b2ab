// The table of all rows: its columns, loaded as they are needed, and the words that choose among its rows.
"use strict";
window.harnessSite = window.harnessSite || {};

(() => {
  const table = harnessSite.table;
  const CONDITION = /^([^<>=!\s]+)(>=|<=|!=|==|=|>|<)(.*)$/s;
  const ORDERS = {
    ">=": (a, b) => a >= b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, "<": (a, b) => a < b,
  };
  const byText = new Intl.Collator("en", { numeric: true }).compare;
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const seals = unpacked(table.seals), places = unpacked(table.places), names = unpacked(table.names);
  const loaded = new Map(), ranked = new Map();
  let texts = null;

  /** A column's different values (`of`), and which of them each row has (`at`). */
  function unpacked(packed) {
    if (Array.isArray(packed)) return { of: packed, at: null };
    return packed.at.length ? packed : { of: packed.of, at: new Uint8Array(table.count) };
  }

  /** What a row has in a column of `unpacked`. */
  function valueAt(column, row) {
    return column.of[column.at ? column.at[row] : row];
  }

  function column(name) {
    if (!loaded.has(name)) loaded.set(name, unpacked(harnessSite[`columns${columns.get(name).chunk}`][name]));
    return loaded.get(name);
  }

  /** Load the columns of these names that are not there yet; a promise. Unknown names are passed over. */
  function ready(wanted) {
    const chunks = new Set(wanted.filter((name) => columns.has(name)).map((name) => columns.get(name).chunk));
    return Promise.all([...chunks].map((chunk) => harnessSite.load(`columns${chunk}`)));
  }

  /** The place of each row in the order of a column's values; -1 where it has none. */
  function ranks(name) {
    if (!ranked.has(name)) {
      const { of, at } = column(name);
      const present = [...new Set(of)].filter((value) => value !== null);
      present.sort((a, b) => (typeof a === "string" || typeof b === "string" ? byText(a, b) : a - b));
      const place = new Map(present.map((value, index) => [value, index]));
      const ofValue = of.map((value) => (value === null ? -1 : place.get(value)));
      ranked.set(name, at ? (row) => ofValue[at[row]] : (row) => ofValue[row]);
    }
    return ranked.get(name);
  }

  // -- words that choose rows ------------------------------------------------------------------------
  /** Blanks separate words, except within quotation marks. */
  function split(text) {
    return text.match(/(?:"[^"]*"?|[^\s"])+/g) || [];
  }

  const bare = (text) => text.replaceAll('"', "");

  /** Whether a text is a condition, such as hidden>=64, and not a word to be found. */
  function condition(word) {
    const found = word.startsWith('"') ? null : CONDITION.exec(word);
    return found && { name: found[1], operator: found[2] === "==" ? "=" : found[2], value: found[3] };
  }

  /** A condition's value as the column has it. Throws an Error that says what is wrong. */
  function converted(name, text) {
    const form = columns.get(name).form;
    if (form === "truth") {
      const truth = { yes: true, true: true, no: false, false: false }[text.toLowerCase()];
      if (truth === undefined) throw new Error(`${name} is yes or no, and ${text} is neither`);
      return truth;
    }
    if (form === "text") return text.toLowerCase();
    if (text.trim() === "" || Number.isNaN(Number(text))) throw new Error(`${name} holds numbers, and ${text} is none`);
    return Number(text);
  }

  /** The name of an unknown column with one that is like it, to be told. */
  function unknown(name) {
    const like = [...columns.keys()].find((known) => known.startsWith(name.slice(0, 3)));
    return new Error(`no column is called ${name}${like ? `; is it ${like}?` : ""}`);
  }

  /** What a condition says of a value. Throws an Error that says what is wrong with it. */
  function judged({ name, operator, value }) {
    if (!columns.has(name)) throw unknown(name);
    const comparable = (each) => (typeof each === "string" ? each.toLowerCase() : each);
    if (ORDERS[operator]) {
      const level = converted(name, bare(value)), meets = ORDERS[operator];
      const as = typeof level === "number" ? Number : comparable;
      return (each) => each !== null && meets(as(each), level);
    }
    const choices = value.startsWith('"') ? [value] : value.split(",");
    const wanted = new Set(choices.map((choice) => (bare(choice) === "" ? null : converted(name, bare(choice)))));
    const exact = new Set(choices.map(bare)); // a number too large for a script is a text
    const same = (each) => wanted.has(comparable(each)) || (typeof each === "string" && exact.has(each));
    return operator === "!=" ? (each) => !same(each) : same;
  }

  /** The words of each row in which words without a condition are looked for, in small letters. */
  function haystack() {
    if (!texts) {
      const searched = table.columns.filter((each) => each.chunk === 0 && each.form === "text").map((each) => column(each.name));
      texts = Array.from({ length: table.count }, (_, row) => [names, seals, ...searched]
        .map((each) => valueAt(each, row) || "").join("\n").toLowerCase());
    }
    return texts;
  }

  /** What a word says of a row. */
  function test(word) {
    const found = condition(word);
    if (!found) {
      const wanted = bare(word).toLowerCase(), within = haystack();
      return (row) => within[row].includes(wanted);
    }
    const judge = judged(found), { of, at } = column(found.name);
    const verdicts = of.map(judge);
    return at ? (row) => verdicts[at[row]] : (row) => verdicts[row];
  }

  /** The columns that the conditions of a text name. */
  function named(text) {
    return split(text).map(condition).filter(Boolean).map((found) => found.name);
  }

  /** The rows that meet every word of a text, and what is wrong with words that were passed over. */
  function chosen(text) {
    const tests = [], problems = [];
    for (const word of split(text)) {
      try {
        tests.push(test(word));
      } catch (error) {
        problems.push(error.message);
      }
    }
    const rows = [];
    for (let row = 0; row < table.count; row++) if (tests.every((each) => each(row))) rows.push(row);
    return { rows, problems };
  }

  /** Sort rows by columns, the first deciding first; a minus in front for descending. Missing values come last. */
  function sort(rows, by) {
    const keys = by.map((word) => word.replace(/^-/, "")).map((name, place) => [ranks(name), by[place].startsWith("-") ? -1 : 1]);
    return rows.sort((a, b) => {
      for (const [rank, way] of keys) {
        const [one, other] = [rank(a), rank(b)];
        if (one === other) continue;
        if (one < 0 || other < 0) return one < 0 ? 1 : -1;
        return way * (one - other);
      }
      return a - b;
    });
  }

  harnessSite.rows = {
    count: table.count, usual: table.usual, columns, ready, named, chosen, sort, ranks,
    /** A value as a condition's word has it. */
    quoted: (value) => (/[\s",]/.test(value) ? `"${value.replaceAll('"', "")}"` : value),
    value: (name, row) => valueAt(column(name), row),
    /** The different values of a column, in order. */
    different: (name) => [...new Set(column(name).of)].filter((value) => value !== null).sort((a, b) => byText(a, b)),
    seal: (row) => valueAt(seals, row),
    name: (row) => valueAt(names, row),
    /** What addresses call a row. */
    key: (row) => {
      const place = valueAt(places, row), start = valueAt(seals, row).slice(0, table.digits);
      return place === null ? start : `${start}-${place}`;
    },
    /** As `key`, of a longer digest too. */
    short: (id) => id.replace(/^[0-9a-f]+/, (digest) => digest.slice(0, table.digits)),
  };
})();
