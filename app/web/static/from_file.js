// Reads a chosen file into the text area that data-into names, so that nothing but the text is sent.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll("[data-with-script]")) element.hidden = false;
});

document.addEventListener("change", async (event) => {
  const target = event.target.dataset.into && document.getElementById(event.target.dataset.into);
  if (target && event.target.files.length) target.value = await event.target.files[0].text();
});
