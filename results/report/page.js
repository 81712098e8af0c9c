"use strict";
// Filters the examples and opens what is folded before printing. Without it everything is simply shown.
(() => {
  const STEP = 12;
  const byId = (id) => document.getElementById(id);
  const examples = [...document.querySelectorAll(".example")];
  const form = byId("filter");
  const more = byId("more");
  const count = byId("count");

  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      details.dataset.opened = "";
    }
  });
  window.addEventListener("afterprint", () => {
    for (const details of document.querySelectorAll("details[data-opened]")) {
      details.open = false;
      delete details.dataset.opened;
    }
  });
  if (!form || !examples.length) return;

  const words = new Map(examples.map((one) => [one, one.textContent.toLowerCase()]));
  let limit = STEP;

  const hasOutcome = (example, judge, outcome) =>
    example.dataset.outcomes.split(" ").some((said) => {
      const [who, what] = said.split(":");
      return (!judge || who === judge) && what === outcome;
    });

  const fits = (example) => {
    const outcome = byId("filter-outcome").value;
    const judge = byId("filter-judge").value;
    const contest = byId("filter-contest")?.value ?? "";
    const emotion = byId("filter-emotion").value;
    const sought = byId("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    return (
      (!outcome || hasOutcome(example, judge, outcome)) &&
      (!contest || example.dataset.contest === contest) &&
      (!emotion || example.dataset.emotion === emotion) &&
      (!byId("filter-disagree").checked || "disagree" in example.dataset) &&
      sought.every((word) => words.get(example).includes(word))
    );
  };

  const show = () => {
    const fitting = examples.filter(fits);
    const shown = new Set(fitting.slice(0, limit));
    for (const example of examples) example.hidden = !shown.has(example);
    count.textContent = `${shown.size} of ${fitting.length} that fit, of ${examples.length} examples`;
    more.hidden = shown.size === fitting.length;
    more.textContent = `Show ${Math.min(STEP, fitting.length - shown.size)} more`;
  };

  const restart = () => {
    limit = STEP;
    show();
  };
  form.addEventListener("input", restart);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(restart));
  more.addEventListener("click", () => {
    const next = examples.filter(fits)[limit];
    limit += STEP;
    show();
    if (next) next.querySelector("a").focus({ preventScroll: true });
  });

  // a link to an example shows it, whatever the limit
  const follow = () => {
    const target = location.hash.startsWith("#example-") && byId(location.hash.slice(1));
    if (!target) return;
    form.reset();
    setTimeout(() => {
      limit = Math.max(STEP, examples.indexOf(target) + 1);
      show();
      target.scrollIntoView();
    });
  };
  window.addEventListener("hashchange", follow);

  form.hidden = false;
  count.hidden = false;
  show();
  follow();
})();
