"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const known = JSON.parse(document.getElementById("known-runs").textContent);

  // hide a variant everywhere: drawings, tables and words carry its class
  const rules = document.head.appendChild(document.createElement("style"));
  const hidden = new Set();
  for (const chip of all(".chip")) {
    chip.addEventListener("click", () => {
      const name = chip.dataset.variant;
      if (!hidden.delete(name)) hidden.add(name);
      chip.setAttribute("aria-pressed", String(!hidden.has(name)));
      rules.textContent = [...hidden].map((each) => `.${each}{display:none!important}`).join("");
    });
  }

  // learning curves over steps or over time
  for (const button of all("[data-view]").filter((each) => each.tagName === "BUTTON")) {
    button.addEventListener("click", () => {
      for (const each of all(".switch button")) each.setAttribute("aria-pressed", String(each === button));
      for (const figure of all("figure[data-view]")) figure.hidden = figure.dataset.view !== button.dataset.view;
    });
  }

  // sort a table by a column: numbers as numbers, what is missing last
  for (const button of all(".sort")) {
    button.addEventListener("click", () => {
      const heading = button.parentElement;
      const index = [...heading.parentElement.children].indexOf(heading);
      const falling = heading.getAttribute("aria-sort") === "ascending";
      for (const each of heading.parentElement.children) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const body = heading.closest("table").tBodies[0];
      const rows = [...body.rows].map((row, place) => [row, row.cells[index], place]);
      const value = (cell) => (cell.dataset.sort === undefined ? NaN : Number(cell.dataset.sort));
      const missing = (cell) => ["", "–"].includes(cell.textContent);
      rows.sort(([, a, i], [, b, j]) => {
        if (missing(a) !== missing(b)) return missing(a) ? 1 : -1;
        const numbers = value(a) - value(b);
        const order = Number.isNaN(numbers) ? a.textContent.localeCompare(b.textContent, "en", { numeric: true }) : numbers;
        return (falling ? -order : order) || i - j;
      });
      for (const row of body.rows) row.classList.remove("first");
      body.append(...rows.map(([row]) => row));
    });
  }

  // what a run is, beside the pointer; thin lines are looked for some pixels around it
  const tip = document.getElementById("tip");
  let lit = [];
  const found = (x, y) => {
    for (const [dx, dy] of [[0, 0], [0, 3], [0, -3], [3, 0], [-3, 0]]) {
      for (const element of document.elementsFromPoint(x + dx, y + dy)) {
        const mark = element.closest("[data-run]");
        if (mark) return mark;
      }
    }
    return null;
  };
  const hide = () => {
    for (const mark of lit) mark.classList.remove("lit");
    lit = [];
    tip.hidden = true;
  };
  const show = (mark, x, y) => {
    const run = known.runs[mark.dataset.run];
    if (!lit.includes(mark)) {
      hide();
      lit = all(`[data-run="${mark.dataset.run}"]`, mark.closest("svg") ?? mark);
      for (const each of lit) each.classList.add("lit");
      tip.replaceChildren();
      const title = tip.appendChild(document.createElement("b"));
      title.textContent = run[0];
      const list = tip.appendChild(document.createElement("dl"));
      known.names.forEach((name, index) => {
        const text = run[index + 1];
        if (text === null || text === "") return;
        list.appendChild(document.createElement("dt")).textContent = name;
        list.appendChild(document.createElement("dd")).textContent = text;
      });
    }
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${y + 18 + height > innerHeight ? Math.max(4, y - height - 12) : y + 18}px`;
  };
  const look = (event) => {
    const mark = event.target.closest?.("figure svg") ? found(event.clientX, event.clientY) : null;
    if (mark) show(mark, event.clientX, event.clientY);
    else hide();
  };
  document.addEventListener("pointermove", look);
  document.addEventListener("click", look);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

  for (const button of all(".copy")) {
    button.addEventListener("click", async (event) => {
      event.preventDefault();
      const text = button.closest("details").querySelector("pre");
      // a page from a file may have no clipboard; what is selected can be copied by hand
      const range = document.createRange();
      range.selectNodeContents(text);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "copied";
      } catch {
        button.textContent = "selected";
      }
    });
  }
})();
