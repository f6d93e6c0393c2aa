// What stands in a link behind the # never leaves the browser by itself, and so is in nobody's log: it is sent from here.
"use strict";

(() => {
  const text = decodeURIComponent(location.hash.slice(1));
  if (!text) return;
  // Out of the address, and so of the history.
  history.replaceState(null, "", location.pathname + location.search);
  const link = document.querySelector("form[data-key]");
  if (link && text.startsWith("key=")) {
    link.elements.key.value = text.slice(4);
    link.submit();
  }
  const field = document.querySelector("[data-invitation]");
  if (field && text.startsWith("inv_")) {
    field.querySelector("input").value = text;
    field.hidden = true;
  }
})();
