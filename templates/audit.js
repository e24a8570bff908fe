"use strict";
(() => {
  const form = document.querySelector(".filter");
  if (!form) return;
  document.documentElement.classList.add("js");
  const cards = Array.from(document.querySelectorAll(".finding"), (card) => ({
    card,
    data: card.dataset,
    text: card.textContent.toLowerCase(),
  }));
  const toggles = Array.from(form.querySelectorAll("[data-toggle]"));
  const { rule, from, to, text } = form.elements;
  const output = form.querySelector("output");
  const none = document.querySelector(".none");
  const show = () => {
    const off = toggles.filter((b) => b.getAttribute("aria-pressed") === "false").map((b) => b.dataset.toggle);
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of cards) {
      const fits = !off.includes(one.data.severity) && (!rule.value || one.data.rule === rule.value) &&
        (!from.value || one.data.from === from.value) && (!to.value || one.data.to === to.value) &&
        words.every((word) => one.text.includes(word));
      one.card.hidden = !fits;
      if (fits) shown += 1;
    }
    output.textContent = shown + " of " + cards.length + " shown";
    none.hidden = shown > 0;
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    for (const button of toggles) button.setAttribute("aria-pressed", "true");
    setTimeout(show, 0);
  });
  for (const button of toggles) {
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") === "true";
      button.setAttribute("aria-pressed", String(!pressed));
      show();
    });
  }
  for (const link of document.querySelectorAll(".matrix a")) {
    link.addEventListener("click", () => {
      // the cell counts all of them, whatever was filtered before
      for (const button of toggles) button.setAttribute("aria-pressed", "true");
      rule.value = text.value = "";
      from.value = link.dataset.from;
      to.value = link.dataset.to;
      show();
    });
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const code = button.parentElement.querySelector("code");
    const exact = button.dataset.exact ? JSON.parse(button.dataset.exact) : code.textContent;
    try {
      await navigator.clipboard.writeText(exact);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  show();
})();
