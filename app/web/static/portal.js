// Opens a portal's link, and tells a page that shows the portal in a frame how high it is.
"use strict";

(() => {
  // What is behind the # never leaves the browser by itself. It is taken out of the address, and so of the history.
  const form = document.querySelector("form[data-open]");
  const open = () => {
    const key = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B")).get("key");
    if (!key) return;
    history.replaceState(null, "", location.pathname + location.search);
    document.querySelector("[data-closed]").hidden = true;
    document.querySelector("[data-opening]").hidden = false;
    form.elements.key.value = key;
    form.submit();
  };
  // Browsers run the pages of addresses that somebody may be about to open; a link is good for one opening.
  if (form && document.prerendering) document.addEventListener("prerenderingchange", open, { once: true });
  else if (form) open();

  // Only what the settings allow may show this page at all; others are told nothing either.
  const allowed = document.querySelector('meta[name="portal-origins"]')?.content.split(" ") ?? [];
  if (window.parent === window || !allowed.length) return;
  const parents = location.ancestorOrigins?.length
    ? [location.ancestorOrigins[0]]
    : allowed.filter((origin) => !origin.includes("*"));
  let told = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    if (height === told) return;
    told = height;
    for (const origin of parents) window.parent.postMessage({ type: "svix.iframe-resizer-height", payload: { height } }, origin);
  }).observe(document.body);
})();
