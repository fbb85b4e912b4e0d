// Beyond serve's page: works offline after the first visit, and signs can be taken along as a file.
import * as backend from "./backend.js";
import { count } from "./dictionary.js";
import { dictionary } from "./main.js";

const at = (id) => document.getElementById(id);

async function keepOffline() {
  if (!navigator.serviceWorker) return;
  at("offline").hidden = false;
  at("offline").textContent = "Keeping this page for use without a network…";
  try {
    await backend.ready(); // first what this visit needs
    await navigator.serviceWorker.register(new URL("../service-worker.js", import.meta.url));
    await navigator.serviceWorker.ready;
    at("offline").textContent = "This page also works without a network.";
  } catch (error) {
    at("offline").textContent = `This page needs a network at every visit: ${error.message}`;
  }
}

at("exchange").hidden = false;
at("export").addEventListener("click", () => {
  const address = URL.createObjectURL(backend.exportSigns());
  Object.assign(document.createElement("a"), { href: address, download: "my.signs.json" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
});
at("import").addEventListener("change", async () => {
  const [file] = at("import").files;
  if (!file) return;
  try {
    const { added, known } = await backend.importSigns(file);
    await dictionary.load();
    at("dictionary-said").textContent = `Imported ${count(added.length, "example")}; ${known.length || "none"} known already.`;
  } catch (error) {
    at("dictionary-said").textContent = error.message;
  }
  at("import").value = "";
});
keepOffline();
