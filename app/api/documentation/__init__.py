"""Documentation: the page that shows the OpenAPI document. Its parts come with the product, so that it works offline.

`swagger-ui/` is version 5.35.0 of the npm package swagger-ui-dist (Apache-2.0), unchanged; `page.js` starts it.
"""
