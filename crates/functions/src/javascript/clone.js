() => {
  const failed = (what) => { throw new DOMException(`${what} cannot be cloned`, "DataCloneError"); };
  const errors = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const clone = (value, seen) => {
    if (typeof value === "function") failed("a function");
    if (typeof value === "symbol") failed("a symbol");
    if (typeof value !== "object" || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (made) => (seen.set(value, made), made);
    const fill = (made) => {
      for (const key of Object.keys(value)) made[key] = clone(value[key], seen);
      return made;
    };
    if (Array.isArray(value)) {
      const made = keep([]);
      made.length = value.length;
      return fill(made);
    }
    if (value instanceof Date) return keep(new Date(value.getTime()));
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
    if (value instanceof Boolean || value instanceof Number || value instanceof String) return keep(Object(value.valueOf()));
    if (value instanceof ArrayBuffer) return keep(value.slice(0));
    if (ArrayBuffer.isView(value)) {
      const buffer = clone(value.buffer, seen);
      const length = value instanceof DataView ? value.byteLength : value.length;
      return keep(new value.constructor(buffer, value.byteOffset, length));
    }
    if (value instanceof Map) {
      const made = keep(new Map());
      for (const [key, item] of [...value]) made.set(clone(key, seen), clone(item, seen));
      return made;
    }
    if (value instanceof Set) {
      const made = keep(new Set());
      for (const item of [...value]) made.add(clone(item, seen));
      return made;
    }
    if (value instanceof Error) {
      const made = keep(new (errors[value.name] ?? Error)(value.message));
      if ("cause" in value) made.cause = clone(value.cause, seen);
      return made;
    }
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef)
      failed(`a ${value.constructor.name}`);
    return fill(keep({}));
  };
  return { structuredClone: (value) => clone(value, new Map()) };
}
