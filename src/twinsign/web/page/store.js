// The dictionary's recordings in this browser (IndexedDB): poses, gloss, signer and vector; nothing is sent.
const STORE = "signs";

function asked(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// One store for each address that a site is published at: several sites may share a host.
export class Store {
  static async open(name) {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    const store = new Store();
    store.database = await asked(request);
    store.database.onversionchange = () => store.database.close();
    return store;
  }

  all() {
    return asked(this.database.transaction(STORE).objectStore(STORE).getAll());
  }

  get(id) {
    return asked(this.database.transaction(STORE).objectStore(STORE).get(id));
  }

  // All of them, or none.
  change(work) {
    const transaction = this.database.transaction(STORE, "readwrite");
    work(transaction.objectStore(STORE));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = transaction.onerror = () => reject(new Error(`The browser kept nothing: ${transaction.error?.message ?? "no room"}.`));
    });
  }
}
