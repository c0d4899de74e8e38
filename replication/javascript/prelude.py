"""What every room begins with: the helpers CouchDB's functions find, and the one way in.

`entrance(design, path, arguments, manner)` takes JSON texts and returns one: {"returned": …}, {"thrown": …} for what a
function threw that is no error, or {"failed": name, "reason": …}. It is called again and again; the design document is
parsed, and each function compiled, the first time. Sources of functions are expressions, as in CouchDB:
"function (doc, req) {…}" or an arrow function, with or without semicolons behind.
"""

ENTRANCE = """
(function (global) {
  "use strict";
  const parse = JSON.parse, stringify = JSON.stringify, evaluate = global.eval, has = Object.hasOwn;
  const compiled = new Map(), modules = new Map();
  let design, emitted = false;

  global.log = () => undefined;
  global.isArray = Array.isArray;
  global.toJSON = stringify;
  global.sum = (values) => values.reduce((total, value) => total + value, 0);
  global.emit = () => { emitted = true; };
  global.require = makeRequire([]);

  class Unusable extends Error { }

  function compile(source) {
    let made;
    try {
      made = evaluate("(" + String(source).trim().replace(/;+$/, "") + "\\n)");
    } catch (error) {
      throw new Unusable(String(error));
    }
    if (typeof made !== "function") throw new Unusable("Expression does not eval to a function.");
    return made;
  }

  function walk(names) {
    let at = design;
    for (const name of names) {
      if (typeof at !== "object" || at === null || !has(at, name)) return undefined;
      at = at[name];
    }
    return at;
  }

  function makeRequire(folder) {
    return function require(name) {
      const parts = name.startsWith(".") ? [...folder] : [];
      for (const part of name.split("/")) {
        if (part === "..") parts.pop();
        else if (part !== "." && part !== "") parts.push(part);
      }
      const id = parts.join("/");
      if (!modules.has(id)) {
        const source = walk(parts);
        if (typeof source !== "string") throw new Error("no module " + id + " in this design document");
        const module = { id, exports: {} };
        modules.set(id, module);
        const run = evaluate("(function (module, exports, require) {" + source + "\\n})");
        run.call(design, module, module.exports, makeRequire(parts.slice(0, -1)));
      }
      return modules.get(id).exports;
    };
  }

  function apply(fun, args, manner) {
    if (manner === "once") {
      fun.apply(design, args);
      return null;
    }
    const [docs, ...rest] = args;
    return docs.map((doc) => {
      emitted = false;
      const value = fun.call(design, doc, ...rest);
      return manner === "emits" ? emitted : Boolean(value);
    });
  }

  function describe(error) {
    if (error instanceof Unusable) return { failed: "compilation_error", reason: error.message };
    if (error instanceof Error) return { failed: String(error.name), reason: String(error.message) };
    return { thrown: error === undefined ? null : error };
  }

  return function entrance(text, path, args, manner) {
    try {
      design ??= parse(text);
      if (!compiled.has(path)) compiled.set(path, compile(walk(parse(path))));
      return stringify({ returned: apply(compiled.get(path), parse(args), manner) });
    } catch (error) {
      try {
        return stringify(describe(error));
      } catch (worse) {
        return '{"failed":"unknown_error","reason":"the function threw what is no JSON"}';
      }
    }
  };
})(globalThis)
"""
