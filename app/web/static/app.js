// What makes pages livelier. Everything works without it, only less conveniently.
"use strict";

(() => {
  // Copies the text beside a button: of an element, or of the one that data-copy names by its id.
  const copied = async (button) => {
    const source = button.dataset.copy
      ? document.getElementById(button.dataset.copy)
      : button.parentElement.querySelector("code");
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // No permission, or no TLS: select it, so that the keyboard can.
      window.getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = before; }, 1500);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copied(button);
  });

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  // Whoever checks one of the things to choose from wants these, and not all.
  document.addEventListener("change", (event) => {
    const choice = event.target.matches("input[type=checkbox]") && event.target.closest("[data-chooses]");
    if (choice) document.getElementById(choice.dataset.chooses).checked = true;
  });

  // Selects and checkboxes that send their form at once; there is a button for those without this.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  const prepare = (root) => {
    for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
    for (const element of root.querySelectorAll("[data-without-script]")) element.hidden = true;
    // The reader's own time zone, beside the UTC that everybody shares.
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      time.dataset.local = "";
      time.title = `${time.title || time.textContent}\n${moment.toLocaleString()} (your time)`;
    }
  };

  document.addEventListener("DOMContentLoaded", () => prepare(document));
  document.addEventListener("htmx:after:swap", () => prepare(document));
})();
