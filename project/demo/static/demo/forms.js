// Two comforts for the forms. Without scripts both are absent and everything still works.
"use strict";

// A button beside each password shows what was typed.
for (const wrapper of document.querySelectorAll("[data-reveal]")) {
  const input = wrapper.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "reveal";
  button.title = wrapper.dataset.reveal;
  button.setAttribute("aria-label", wrapper.dataset.reveal);
  button.setAttribute("aria-controls", input.id);

  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  };
  show(false);
  input.spellcheck = false;
  input.setAttribute("autocapitalize", "none");
  button.addEventListener("click", () => show(input.type === "password"));
  // Hidden again before it is sent, so that the browser does not remember it as ordinary text.
  input.form.addEventListener("submit", () => show(false));
  wrapper.append(button);
}

// After a refusal, reading starts at what was refused.
document.querySelector(".refused")?.focus();
