// The OpenAPI description as a plain page: nothing is fetched but this server's own /openapi.json.
import { request } from "./api.js";
import { element } from "./answer.js";

function details(title, value) {
  const box = element("details");
  box.append(element("summary", title), element("pre", JSON.stringify(value, null, 2)));
  return box;
}

const description = await request("/openapi.json");
const sections = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => {
    const section = element("section", "", { className: "card" });
    section.append(element("h2", `${method.toUpperCase()} ${path}`), element("p", operation.description ?? operation.summary));
    for (const { name, schema, required } of operation.parameters ?? []) {
      section.append(element("p", `?${name}= ${schema.type}${required ? "" : `, default ${schema.default}`}`));
    }
    if (operation.requestBody) section.append(details("Body", operation.requestBody.content));
    section.append(details("Responses", operation.responses));
    return section;
  }),
);
document.getElementById("routes").replaceChildren(...sections, details("Schemas", description.components.schemas));
