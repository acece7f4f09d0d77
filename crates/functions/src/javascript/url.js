(native) => {
  const decode = (text) => {
    text = text.replaceAll("+", " ");
    try { return decodeURIComponent(text); } catch { return text; }
  };
  const encode = (text) =>
    encodeURIComponent(text.toWellFormed())
      .replaceAll("%20", "+")
      .replace(/[!'()~]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());

  class URLSearchParams {
    #pairs = [];
    #changed;
    constructor(init = "", changed = () => {}) {
      if (typeof init === "object" && init !== null) {
        const pairs = init[Symbol.iterator] ? [...init] : Object.entries(init);
        for (const pair of pairs) {
          const [name, value, ...rest] = pair;
          if (value === undefined || rest.length > 0) throw new TypeError("a pair of a name and a value is expected");
          this.#pairs.push([String(name), String(value)]);
        }
      } else {
        for (const part of String(init).replace(/^\?/, "").split("&").filter(Boolean)) {
          const at = part.indexOf("=");
          this.#pairs.push(at < 0 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]);
        }
      }
      this.#changed = changed;
    }
    get size() { return this.#pairs.length; }
    append(name, value) { this.#pairs.push([String(name), String(value)]); this.#changed(); }
    delete(name) { this.#pairs = this.#pairs.filter(([own]) => own !== String(name)); this.#changed(); }
    get(name) { return this.#pairs.find(([own]) => own === String(name))?.[1] ?? null; }
    getAll(name) { return this.#pairs.filter(([own]) => own === String(name)).map(([, value]) => value); }
    has(name) { return this.#pairs.some(([own]) => own === String(name)); }
    set(name, value) {
      const at = this.#pairs.findIndex(([own]) => own === String(name));
      if (at < 0) return this.append(name, value);
      this.#pairs = this.#pairs.filter(([own], index) => own !== String(name) || index === at);
      this.#pairs[at][1] = String(value);
      this.#changed();
    }
    sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(); }
    forEach(call) { for (const [name, value] of this) call(value, name, this); }
    *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
    *keys() { for (const [name] of this.#pairs) yield name; }
    *values() { for (const [, value] of this.#pairs) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&"); }
  }

  class URL {
    #href;
    #parameters;
    constructor(url, base) {
      this.#href = native.parse(String(url), base === undefined ? undefined : String(base));
      this.#read();
    }
    #read() {
      const parameters = new URLSearchParams(native.get(this.#href, "search"), () => {
        this.#href = native.with(this.#href, "search", parameters.toString());
      });
      this.#parameters = parameters;
    }
    static canParse(url, base) {
      try { return Boolean(new URL(url, base)); } catch { return false; }
    }
    get href() { return this.#href; }
    set href(value) { this.#href = native.parse(String(value), undefined); this.#read(); }
    get origin() { return native.get(this.#href, "origin"); }
    get searchParams() { return this.#parameters; }
    toString() { return this.#href; }
    toJSON() { return this.#href; }
    static {
      for (const part of ["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"]) {
        Object.defineProperty(URL.prototype, part, {
          get() { return native.get(this.#href, part); },
          set(value) {
            this.#href = native.with(this.#href, part, String(value));
            if (part === "search") this.#read();
          },
          enumerable: true,
          configurable: true,
        });
      }
    }
  }
  return { URL, URLSearchParams };
}
