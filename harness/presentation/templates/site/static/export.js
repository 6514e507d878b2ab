// A table as CSV, Markdown or LaTeX, and as a download. What harness table writes is written here alike.
//
// A table: {columns: [{name, right}], rows: [[text, …]], values: [[value, …]]}, where texts are what people see and
// values are what was measured.
"use strict";
window.harnessSite = window.harnessSite || {};

(() => {
  const NUMBER = /^[+-]?[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?$/i;
  const LATEX = {
    "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_", "^": "\\^{}", "{": "\\{",
    "}": "\\}", "~": "\\textasciitilde{}", "<": "\\ensuremath{<}", ">": "\\ensuremath{>}",
  };

  /** A text with an apostrophe in front where a spreadsheet would compute it. */
  function noFormula(text) {
    return /^[=+\-@\t\r]/.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  }

  /** A value as CSV has it: numbers as measured, truth as True and False. */
  function csvValue(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "boolean") return value ? "True" : "False";
    const text = typeof value === "number" ? String(value) : noFormula(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  /** Numbers as measured, not rounded; no text of it is a formula to a spreadsheet. */
  function csv(table) {
    const lines = [table.columns.map((column) => csvValue(column.name)), ...table.values.map((row) => row.map(csvValue))];
    return lines.map((line) => `${line.join(",")}\n`).join("");
  }

  function markdownText(text) {
    return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replace(/[\\`*[\]|~]/g, "\\$&");
  }

  /** Nothing in it is markup. */
  function markdown(table) {
    const line = (cells) => `| ${cells.join(" | ")} |\n`;
    const heading = line(table.columns.map((column) => markdownText(column.name)));
    const rule = `|${table.columns.map((column) => (column.right ? "---:" : "---")).join("|")}|\n`;
    return heading + rule + table.rows.map((row) => line(row.map(markdownText))).join("");
  }

  function latexText(text) {
    return text.replace(/[\\&%$#_^{}~<>]/g, (character) => LATEX[character]);
  }

  /** For the package booktabs; nothing in it is a command. */
  function latex(table) {
    const line = (cells) => ` ${cells.map(latexText).join(" & ")} \\\\\n`;
    const alignment = table.columns.map((column) => (column.right ? "r" : "l")).join("");
    return `\\begin{tabular}{${alignment}}\n\\toprule\n${line(table.columns.map((column) => column.name))}\\midrule\n`
      + `${table.rows.map(line).join("")}\\bottomrule\n\\end{tabular}\n`;
  }

  const KINDS = {
    csv: { words: "CSV", ending: "csv", type: "text/csv", write: csv },
    markdown: { words: "Markdown", ending: "md", type: "text/markdown", write: markdown },
    latex: { words: "LaTeX", ending: "tex", type: "application/x-tex", write: latex },
  };

  /** Hand a text to the browser as a file. */
  function save(name, text, type) {
    const link = harnessSite.element("a", {
      href: URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` })), download: name,
    });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  harnessSite.exports = {
    csv, markdown, latex,
    /** Three buttons; each saves what `table()` gives at that moment, which may be a promise. */
    buttons: (name, table) => Object.values(KINDS).map((kind) => harnessSite.element("button", {
      type: "button", class: "button",
      click: async () => save(`${name}.${kind.ending}`, kind.write(await table()), kind.type),
    }, kind.words)),
  };
})();
