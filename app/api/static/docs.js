// The docs page: Swagger UI on our own document. Each execution of an example gets fresh synthetic document numbers, so
// that an example that issues a card works twice.
"use strict";

const settings = document.getElementById("settings").dataset;

async function withFreshNumbers(request) {
  const issues = request.method === "POST" && new URL(request.url, location.href).pathname === "/v1/cards";
  if (!issues || typeof request.body !== "string") {
    return request;
  }
  const fresh = await (await fetch("/docs/fresh-numbers")).json();
  for (const [shown, number] of Object.entries(fresh)) {
    request.body = request.body.replaceAll(shown, number);
  }
  return request;
}

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  filter: true,
  tryItOutEnabled: true,
  persistAuthorization: true,
  validatorUrl: null,
  requestInterceptor: withFreshNumbers,
  onComplete: () => {
    if (settings.key) {
      ui.preauthorizeApiKey("key", settings.key);
    }
  },
});
