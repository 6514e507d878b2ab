// The chooser of the front page: what was measured, by cell, size, machine and task; the answer is one of the page's.
"use strict";

(() => {
  const answers = [...document.querySelectorAll("article.answer")];
  const place = document.querySelector(".chooser");
  const chosen = document.querySelector(".chosen");
  if (!place || !chosen || answers.length < 2) return;
  const asked = [["cell", "cell"], ["size", "size"], ["machine", "on"], ["measured", "measured by"]];
  // The page opens with the answer that its link names.
  const first = document.getElementById(chosen.querySelector(".question a").hash.slice(1));
  const wanted = Object.fromEntries(asked.map(([name]) => [name, first.dataset[name]]));
  const selects = new Map();

  for (const [name, words] of asked) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    const both = document.createElement("span");
    select.id = label.htmlFor = `choose-${name}`;
    select.addEventListener("change", () => { wanted[name] = select.value; choose(); });
    label.textContent = words;
    both.append(label, " ", select);
    place.append(both);
    selects.set(name, select);
  }
  place.hidden = false;
  offer();

  // Fills the lists: each offers what was measured with what is chosen in those before it. What is left: one answer.
  function offer() {
    let left = answers;
    for (const [name, select] of selects) {
      const values = [...new Set(left.map((each) => each.dataset[name]))];
      if (name === "size") values.sort((a, b) => parseInt(a.replace(",", ""), 10) - parseInt(b.replace(",", ""), 10));
      if (!values.includes(wanted[name])) wanted[name] = values[0];
      select.replaceChildren(...values.map((value) => new Option(value, value, false, value === wanted[name])));
      left = left.filter((each) => each.dataset[name] === wanted[name]);
    }
    return left[0];
  }

  // Other answers to the same question, measured by other means.
  function also(answer) {
    const others = answers.filter((each) => each !== answer &&
      asked.every(([name]) => name === "measured" || each.dataset[name] === answer.dataset[name]));
    if (!others.length) return [];
    const line = document.createElement("p");
    line.className = "also";
    line.append("Measured at this size by other means too: ");
    others.forEach((each, place) => {
      const link = document.createElement("a");
      link.href = `#${each.id}`;
      link.textContent = each.dataset.measured;
      line.append(place ? "; " : "", link, `: ${each.querySelector(".gist").textContent}`);
    });
    line.append(".");
    return [line];
  }

  function choose() {
    const answer = offer();
    const question = document.createElement("p");
    const strong = document.createElement("strong");
    const link = document.createElement("a");
    strong.textContent = answer.dataset.question;
    link.href = `#${answer.id}`;
    link.textContent = answer.querySelector("h3").textContent;
    question.className = "question";
    question.append("For ", strong, ` on ${answer.dataset.where}: `, link);
    const core = answer.querySelector(".core").cloneNode(true);
    for (const each of core.querySelectorAll("details")) each.open = true;
    chosen.replaceChildren(question, core, ...also(answer));
  }
})();
