// The OpenAPI description as a plain page: nothing is fetched but this server's own /openapi.json.
import { ask } from "./api.js";
import { element } from "./answer.js";

function shown(title, value) {
  const box = element("details");
  box.append(element("summary", title), element("pre", JSON.stringify(value, null, 2)));
  return box;
}

const whole = await ask("/openapi.json");
const sections = Object.entries(whole.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, about]) => {
    const section = element("section", "", { className: "card" });
    section.append(element("h2", `${method.toUpperCase()} ${path}`), element("p", about.description ?? about.summary));
    for (const one of about.parameters ?? []) {
      section.append(element("p", `?${one.name}= ${one.schema.type}${one.required ? "" : `, ${one.schema.default} unless told`}`));
    }
    if (about.requestBody) section.append(shown("Body", about.requestBody.content));
    section.append(shown("Answers", about.responses));
    return section;
  }),
);
document.getElementById("routes").replaceChildren(...sections, shown("Shapes", whole.components.schemas));
