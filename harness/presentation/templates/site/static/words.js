// How values are written for people: as harness.text and harness.presentation.table write them.
"use strict";
window.harnessSite = window.harnessSite || {};

(() => {
  const WHOLE_FROM = 999.5, WHOLE_TO = 1e15;
  const withCommas = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

  /** A number with so many significant digits, as "%g" of C writes it. */
  function general(value, digits) {
    if (value === 0) return "0";
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    const power = Number(exponent);
    if (power >= -4 && power < digits) return trimmed(value.toFixed(digits - 1 - power));
    return `${trimmed(mantissa)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }

  /** Without the zeros that end a fraction. */
  function trimmed(text) {
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  }

  /** Three significant digits; whole numbers with commas from a thousand on. */
  function number(value, digits = 3) {
    const size = Math.abs(value);
    const whole = 10 ** digits - 0.5;
    return size >= Math.max(WHOLE_FROM, whole) && size < WHOLE_TO ? withCommas.format(value) : general(value, digits);
  }

  /** A score: one below 1 is never rounded up to 1. */
  function score(value) {
    let text = number(value);
    for (let digits = 4; digits < 17 && Number(text.replaceAll(",", "")) === 1 && value !== 1; digits++) {
      text = number(value, digits);
    }
    return text;
  }

  const forms = {
    text: String,
    plain: String,
    truth: (value) => (value ? "yes" : "no"),
    whole: (value) => (typeof value === "number" ? withCommas.format(value) : String(value)),
    number: (value) => (typeof value === "number" ? number(value) : String(value)),
    score: (value) => (typeof value === "number" ? score(value) : String(value)),
  };

  harnessSite.words = {
    number,
    score,
    /** A value of a column of that form; nothing for a missing one. */
    written: (value, form) => (value === null || value === undefined ? "" : forms[form](value)),
    /** Whether a column of that form is aligned right. */
    right: (form) => form === "number" || form === "whole" || form === "score" || form === "plain",
    /** 1 row, 2 rows. */
    counted: (count, what) => `${withCommas.format(count)} ${what}${count === 1 ? "" : "s"}`,
  };
})();
