// A file of its own, because the page's policy allows no script within it.
window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // It would ask a server of other people whether the document is valid.
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
