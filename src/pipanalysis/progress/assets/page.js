"use strict";
(() => {
  const WHOLE = "*";
  const FIRST = 25;
  const STEP = 100;
  const MOST_PRINTED = 400;
  const content = JSON.parse(document.getElementById("content").textContent);
  const chooser = document.getElementById("scope");
  const views = new Map();
  const lists = [];
  let scope = WHOLE;

  const element = (name, attributes = {}, text = "") => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== "") made.textContent = text;
    return made;
  };

  // Sections: the words and tables of all are in the page, those of each site in a template.
  const kept = new Map();
  for (const section of document.querySelectorAll("main > section:not(.list)")) {
    const parts = [...section.querySelectorAll(":scope > [data-part]")];
    if (parts.length) kept.set(section.id, { section, parts, whole: parts.map((part) => [...part.childNodes]) });
  }
  const templates = new Map();
  for (const template of document.querySelectorAll("template[data-scope]")) {
    templates.set(`${template.dataset.scope}/${template.dataset.section}`, template);
  }

  const showSections = () => {
    const name = chooser ? chooser.selectedOptions[0].textContent : "";
    for (const [id, { section, parts, whole }] of kept) {
      const template = templates.get(`${scope}/${id}`);
      const label = section.querySelector(".scope-name");
      label.hidden = scope === WHOLE;
      if (scope === WHOLE || !template) {
        parts.forEach((part, i) => part.replaceChildren(...whole[i]));
        label.textContent = "(all together)";
      } else {
        const halves = template.content.cloneNode(true).children;
        [...halves].forEach((half, i) => parts[i].replaceChildren(...half.childNodes));
        label.textContent = name;
      }
    }
    for (const label of document.querySelectorAll(".list .scope-name")) {
      label.hidden = scope === WHOLE;
      label.textContent = name;
    }
  };

  // Charts: Vega-Lite, whose rows are exchanged.
  const rowsOf = (name) => content.charts[name][scope] || content.charts[name][WHOLE];
  const showChart = (name) => {
    const rows = rowsOf(name);
    document.getElementById(`chart-${name}`).classList.toggle("none", !rows.length);
    const view = views.get(name);
    if (view) view.data("rows", rows).resize().run();
  };
  const drawCharts = () => {
    for (const name of Object.keys(content.specs)) {
      const spec = { ...content.specs[name], datasets: { rows: rowsOf(name) } };
      const place = document.querySelector(`#chart-${name} .canvas`);
      window
        .vegaEmbed(place, spec, { actions: false, renderer: "svg", mode: "vega-lite", defaultStyle: false, logLevel: 1 })
        .then((result) => {
          views.set(name, result.view);
          showChart(name);
          if (views.size === Object.keys(content.specs).length) document.body.dataset.ready = "yes";
        });
    }
    if (!Object.keys(content.specs).length) document.body.dataset.ready = "yes";
  };

  // Lists: rows are made only as they are shown.
  const reader = (column) => (column.v ? (i) => column.v[i] : (i) => column.l[column.c[i]]);
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };

  class Rows {
    constructor(section) {
      this.section = section;
      this.data = content.lists[section.dataset.list];
      this.get = Object.fromEntries(Object.entries(this.data.data).map(([key, column]) => [key, reader(column)]));
      this.body = section.querySelector("tbody");
      this.chosen = section.querySelector(".view");
      this.only = [...section.querySelectorAll(".only")];
      this.search = section.querySelector(".search");
      this.button = section.querySelector(".show-more");
      this.limit = FIRST;
      this.sort = null;
      this.chosen.addEventListener("change", () => this.again());
      for (const chosen of this.only) chosen.addEventListener("change", () => this.again());
      this.search.addEventListener("input", () => this.again());
      this.button.addEventListener("click", () => {
        const before = this.body.querySelectorAll("tr:not(.detail)").length;
        this.limit += STEP;
        this.fill();
        const next = this.body.querySelectorAll("tr:not(.detail)")[before];
        if (next) {
          next.setAttribute("tabindex", "-1");
          next.focus();
        }
      });
      for (const head of section.querySelectorAll("th[data-key]")) {
        head.querySelector("button").addEventListener("click", () => this.sortBy(head));
      }
      // The order of these is by weight (urgency, severity), not by letter.
      this.rank = new Map();
      for (const [, , column, values] of this.data.views) {
        if (!this.rank.has(column)) this.rank.set(column, new Map(values.map((value, i) => [value, i])));
      }
      this.again();
    }

    sortBy(head) {
      const key = head.dataset.key;
      const down = this.sort && this.sort.key === key && !this.sort.down;
      this.sort = { key, down };
      for (const other of this.section.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      this.again();
    }

    again() {
      const [, , column, values] = this.data.views.find(([name]) => name === this.chosen.value);
      const allowed = new Set(values);
      const only = this.only.filter((chosen) => chosen.value).map((chosen) => [this.get[chosen.dataset.key], chosen.value]);
      const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const keys = [...this.data.columns, ...this.data.more].map(([key]) => key);
      const found = [];
      for (let i = 0; i < this.data.n; i += 1) {
        if (scope !== WHOLE && this.get.group(i) !== scope) continue;
        if (!allowed.has(this.get[column](i))) continue;
        if (!only.every(([get, value]) => get(i) === value)) continue;
        if (words.length) {
          const text = keys.map((key) => this.get[key](i)).join(" ").toLowerCase();
          if (!words.every((word) => text.includes(word))) continue;
        }
        found.push(i);
      }
      if (this.sort) {
        const get = this.get[this.sort.key];
        const rank = this.rank.get(this.sort.key);
        const value = rank ? (i) => rank.get(get(i)) ?? rank.size : get;
        const sign = this.sort.down ? -1 : 1;
        found.sort((a, b) => sign * compare(value(a), value(b)) || a - b);
      }
      this.found = found;
      this.limit = FIRST;
      this.fill();
    }

    fill() {
      const shown = this.found.slice(0, this.limit);
      this.body.replaceChildren(...shown.map((i) => this.row(i)));
      const n = this.found.length;
      const some = n > shown.length ? `the first ${shown.length} of ` : "";
      this.section.querySelector(".count").textContent = `${some}${n.toLocaleString("en")} ${n === 1 ? "row" : "rows"}`;
      this.section.querySelector(".empty").hidden = n > 0;
      this.section.querySelector(".scroll").hidden = n === 0;
      this.button.hidden = n <= shown.length;
    }

    row(i) {
      const row = element("tr");
      this.data.columns.forEach(([key, label], position) => {
        const cell = element("td", { "data-label": label, "data-key": key });
        const value = String(this.get[key](i));
        if (position === 0 && value) cell.append(element("span", { class: `tag t${this.weight(key, value)}` }, value));
        else if (value) cell.append(element("span", {}, value));
        row.append(cell);
      });
      if (this.data.more.length) {
        const cell = element("td", { "data-label": "", class: "open" });
        const about = String(this.get.query_id ? this.get.query_id(i) : i + 1);
        const button = element("button", { type: "button", "aria-expanded": "false" });
        button.append(element("span", {}, "Open"), element("span", { class: "visually-hidden" }, ` ${about}`));
        button.addEventListener("click", () => this.open(row, button, i));
        cell.append(button);
        row.append(cell);
      }
      return row;
    }

    weight(key, value) {
      if (key === "severity") return ["Error", "Warning"].indexOf(value) < 0 ? 2 : ["Error", "Warning"].indexOf(value);
      const rank = this.rank.get(key);
      return rank && key === "urgency" ? Math.min(rank.get(value) ?? 2, 2) : 2;
    }

    open(row, button, i) {
      const there = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!there));
      button.firstChild.textContent = there ? "Open" : "Close";
      if (there) {
        row.nextElementSibling.remove();
        return;
      }
      const detail = element("tr", { class: "detail" });
      const cell = element("td", { colspan: String(this.data.columns.length + 1) });
      const terms = element("dl");
      for (const [key, label] of this.data.more) {
        const value = String(this.get[key](i));
        if (value) terms.append(element("dt", {}, label), element("dd", {}, value));
      }
      cell.append(terms);
      detail.append(cell);
      row.after(detail);
    }

    print(start) {
      if (start) this.before = this.limit;
      this.limit = start ? MOST_PRINTED : this.before;
      this.fill();
    }
  }

  const show = () => {
    showSections();
    for (const list of lists) list.again();
    for (const name of views.keys()) showChart(name);
  };
  for (const section of document.querySelectorAll("section[data-list]")) lists.push(new Rows(section));
  if (chooser) {
    chooser.form.addEventListener("submit", (event) => event.preventDefault());
    chooser.value = WHOLE;
    chooser.addEventListener("change", () => {
      const begun = performance.now();
      scope = chooser.value;
      show();
      document.body.dataset.took = String(performance.now() - begun);
      document.getElementById("said").textContent = `Showing: ${chooser.selectedOptions[0].textContent}`;
    });
  }
  window.addEventListener("beforeprint", () => lists.forEach((list) => list.print(true)));
  window.addEventListener("afterprint", () => lists.forEach((list) => list.print(false)));
  drawCharts();
})();
