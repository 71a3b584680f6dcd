// Charts: colours come from the page (currentColor), so that dark, light and print need no drawing anew.
const ink = { labelColor: "currentColor", titleColor: "currentColor" };
const config = {
  background: "transparent", font: "system-ui, sans-serif", view: { stroke: "transparent" },
  axis: { ...ink, gridColor: "rgba(128,128,128,.22)", domainColor: "#888", tickColor: "#888", labelFontSize: 11, labelSeparation: 6,
    titleFontSize: 11.5, titleFontWeight: 500 },
  legend: { ...ink, orient: "top", labelFontSize: 12, titleFontSize: 11.5, titleFontWeight: 500, labelLimit: 400 },
  point: { opacity: 1 }, header: { ...ink, labelFontSize: 12 }, title: { color: "currentColor", anchor: "start", fontSize: 12 },
};
const views = {};
const specs = JSON.parse(document.getElementById("specs")?.textContent ?? "{}");

// Charts are as wide as their column, in letters of full size: a scaled or scrolled picture misleads on a small screen.
// How much axes and labels take beside the plot is known only once it is drawn, hence a second or third pass.
const NARROW = 640, LEAST_PLOT = 120, BESIDE = 130, FULL_PLOT = 780, PASSES = 4, ENOUGH = .4;
const full = ({ datasets, ...spec }) =>
  Math.max(...[...JSON.stringify(spec).matchAll(/"width":(\d+)/g)].map(([, width]) => Number(width)));
const fitted = ({ datasets, ...spec }, plot, room) => {
  const narrow = room < NARROW;
  const fit = (key, value) => {
    if (key === "width" && typeof value === "number") return Math.min(value, plot);
    if (narrow && key === "tickCount") return Math.min(value, 4);
    if (narrow && key === "columns") return Math.max(1, Math.floor(value * room / FULL_PLOT));
    if (narrow && key === "header") return { ...value, labelOrient: "top", labelAnchor: "start", labelAngle: 0 };
    return value;
  };
  return { ...JSON.parse(JSON.stringify(spec), fit), datasets };
};
const draw = async (key) => {
  const box = document.getElementById("chart-" + key), room = box.clientWidth, narrow = room < NARROW;
  const stacked = { labelFontSize: 11, layout: { top: { direction: "vertical", anchor: "start" } } };
  // Where a legend takes more room than axes and plot together, its entries go below each other.
  for (const columns of narrow ? [3, 1] : [10, 3, 1]) {
    const legend = { ...config.legend, ...(narrow ? stacked : {}), columns };
    const options = { actions: false, renderer: "svg", config: { ...config, legend }, tooltip: { disableDefaultStyle: true } };
    let plot = Math.min(full(specs[key]), room - (narrow ? BESIDE : 0)), over = room;
    for (let pass = 0; pass < PASSES && over > 0 && plot >= LEAST_PLOT; pass++) {
      views[key]?.finalize();
      views[key] = (await vegaEmbed(box, fitted(specs[key], plot, room), options)).view;
      over = box.querySelector("svg").width.baseVal.value - room;
      if (over > 0) plot = Math.floor(plot - over);
    }
    if (over <= 0 && plot > room * ENOUGH) break;
  }
};
let drawn = Promise.all(Object.keys(specs).map(draw));
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
  cue();
  drawn.then(() => Object.values(views).forEach((view) => {
    const known = view.getState({ signals: (name) => chosen.some(([own]) => own === name) }).signals;
    for (const [name, value] of chosen) if (name in known) view.signal(name, Number(value));
    view.runAsync();
  }));
};
const forms = document.querySelectorAll("form.assumptions");
for (const form of forms) form.addEventListener("change", () => turn(form));

// A column of another width: charts are drawn anew, as the switches stand, and tables that go on beyond it say so.
const cue = () => {
  for (const each of document.querySelectorAll(".scroll")) each.classList.toggle("wide", each.scrollWidth > each.clientWidth + 1);
};
let width = innerWidth, waiting;
const resized = () => {
  cue();
  if (innerWidth === width) return;
  width = innerWidth;
  drawn = drawn.then(() => Promise.all(Object.keys(specs).map(draw)));
  forms.forEach(turn);
};
addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(resized, 150); });
cue();

// Print: what is folded away on the screen is opened, and folded again.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const each of opened) each.open = true;
});
addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
