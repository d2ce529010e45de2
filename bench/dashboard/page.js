// Draws a chart when its card comes near the window, and hides the cards that the filter does not name.
const { templates, charts } = JSON.parse(document.getElementById("data").textContent);
const pending = new Map();

async function draw(element) {
  const { kind, values, ends, height } = charts[element.dataset.chart];
  const template = templates[kind];
  const spec = {
    ...template,
    height,
    data: { name: "values", values },
    params: template.params.map((param) => ({ ...param, value: ends[param.name] ?? param.value })),
  };
  await vegaEmbed(element, spec, { actions: false, renderer: "svg", tooltip: { theme: "light" } });
  element.dataset.drawn = "";
}

function drawOnce(element) {
  if (!pending.has(element)) pending.set(element, draw(element));
  return pending.get(element);
}

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      drawOnce(entry.target);
    }
  },
  { rootMargin: "600px" },
);
const elements = document.querySelectorAll("[data-chart]");
elements.forEach((element) => near.observe(element));

// For whoever prints the page or looks at all of it.
globalThis.drawAll = () => Promise.all(Array.from(elements, drawOnce));
addEventListener("beforeprint", () => globalThis.drawAll());

const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const card of document.querySelectorAll(".card")) {
    card.hidden = !words.every((word) => card.dataset.name.includes(word));
  }
  for (const section of document.querySelectorAll("main section:has(.card)")) {
    section.hidden = !section.querySelector(".card:not([hidden])");
  }
});
document.documentElement.dataset.ready = "";
