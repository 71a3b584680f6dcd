// Charts: colours come from the page (currentColor), so that dark, light and print need no drawing anew.
const ink = { labelColor: "currentColor", titleColor: "currentColor" };
const config = {
  background: "transparent", font: "system-ui, sans-serif", view: { stroke: "transparent" },
  axis: { ...ink, gridColor: "rgba(128,128,128,.22)", domainColor: "#888", tickColor: "#888", labelFontSize: 11, labelSeparation: 6,
    titleFontSize: 11.5, titleFontWeight: 500 },
  legend: { ...ink, orient: "top", labelFontSize: 12, titleFontSize: 11.5, titleFontWeight: 500, labelLimit: 400, columns: 10 },
  header: { ...ink, labelFontSize: 12 }, title: { color: "currentColor", anchor: "start", fontSize: 12 },
};
const views = {};
const specs = JSON.parse(document.getElementById("specs")?.textContent ?? "{}");
const drawn = Promise.all(Object.entries(specs).map(async ([key, spec]) => {
  const options = { actions: false, renderer: "svg", config, tooltip: { disableDefaultStyle: true } };
  views[key] = (await vegaEmbed("#chart-" + key, spec, options)).view;
}));
drawn.then(() => document.documentElement.dataset.drawn = "yes");

// Tables: a button in each heading sorts by its column, by figures where a cell has one.
const order = (a, b) => a.dataset.v !== undefined && b.dataset.v !== undefined
  ? a.dataset.v - b.dataset.v
  : (a.dataset.v === undefined) - (b.dataset.v === undefined) || a.textContent.localeCompare(b.textContent);
const sort = (heading) => {
  const index = heading.cellIndex, body = heading.closest("table").tBodies[0];
  const sign = heading.ariaSort === "ascending" ? -1 : 1;
  for (const each of heading.parentElement.cells) each.removeAttribute("aria-sort");
  heading.ariaSort = sign > 0 ? "ascending" : "descending";
  body.append(...[...body.rows].sort((a, b) => sign * order(a.cells[index], b.cells[index])));
};
for (const heading of document.querySelectorAll("table.sortable thead th")) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: heading.textContent });
  button.addEventListener("click", () => sort(heading));
  heading.replaceChildren(button);
}

// Switches: show the case that they stand for, and tell the charts that have a parameter of their name.
const turn = (form) => {
  const chosen = [...new FormData(form)];
  const keys = chosen.map(([, value]) => value).join(" ");
  for (const each of form.querySelectorAll("[data-case]")) each.hidden = each.dataset.case !== keys;
  drawn.then(() => Object.values(views).forEach((view) => {
    const known = view.getState({ signals: (name) => chosen.some(([own]) => own === name) }).signals;
    for (const [name, value] of chosen) if (name in known) view.signal(name, Number(value));
    view.runAsync();
  }));
};
for (const form of document.querySelectorAll("form.assumptions")) form.addEventListener("change", () => turn(form));

// Print: what is folded away on the screen is opened, and folded again.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const each of opened) each.open = true;
});
addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
