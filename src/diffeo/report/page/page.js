// Draws the plots one after another, so that a long page answers while it draws.
"use strict";
(async () => {
  // a finger that drags over a plot scrolls the page; a mouse zooms
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { displayModeBar: false, displaylogo: false, responsive: true, showLink: false };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still) document.documentElement.style.scrollBehavior = "auto";
  for (const plot of document.querySelectorAll("figure.plot")) {
    const { data, layout } = JSON.parse(plot.querySelector("script").textContent);
    layout.dragmode = touch ? false : "zoom";
    await Plotly.newPlot(plot.querySelector(".drawing"), data, layout, config);
    await new Promise((resume) => setTimeout(resume, 0));
  }
  document.documentElement.dataset.plots = "drawn";
})();
