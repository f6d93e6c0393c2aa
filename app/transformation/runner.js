// Runs the code of a transformation: the first argument is the code, the second what `handler` is given, as JSON. Without
// the second, it only looks whether there is a handler.
// Prints a line about the result and then the body. Whatever the code does to this realm, it does to its own run: what
// is printed here is read as coming from a stranger.
(() => {
  const [code, given] = scriptArgs;
  const write = print;
  const evaluate = eval;
  const { parse, stringify } = JSON;
  const includes = Function.prototype.call.bind(String.prototype.includes);
  const names = ["print", "scriptArgs", "execArgv", "argv0", "gc", "navigator", "performance", "queueMicrotask"];
  for (const name of names) {
    delete globalThis[name];
  }
  const ignore = () => {};
  globalThis.console = { debug: ignore, error: ignore, info: ignore, log: ignore, warn: ignore };

  const explain = (error) => {
    try {
      return { error: `${error}`, stack: `${error?.stack}` };
    } catch {
      return { error: "what it threw cannot be shown" };
    }
  };

  const body = (payload) => {
    if (typeof payload === "string") {
      if (includes(payload, "\0")) {
        throw "payload of the returned webhook must not hold NUL characters";
      }
      return payload;
    }
    const text = stringify(payload);
    if (text === undefined) {
      throw "payload of the returned webhook must be JSON, or a text";
    }
    return text;
  };

  try {
    const webhook = given === undefined ? undefined : parse(given);
    const before = stringify(webhook?.payload);
    const handler = evaluate(`${code}\n;typeof handler === "function" ? handler : undefined`);
    if (handler === undefined) {
      throw "the code must declare a function named handler";
    }
    if (webhook === undefined) {
      write("{}");
      return;
    }
    const returned = handler(webhook);
    if (returned === null || typeof returned !== "object") {
      throw "handler must return the webhook that it was given";
    }
    if (typeof returned.then === "function") {
      throw "handler must not be async: there is nothing to wait for";
    }
    const { cancel, headers, method, payload, url } = returned;
    if (cancel === true) {
      write(stringify({ __proto__: null, cancel }));
    } else {
      const text = body(payload);
      const kept = typeof payload !== "string" && text === before;
      write(stringify({ __proto__: null, cancel, headers, kept, method, url }));
      if (!kept) {
        write(text);
      }
    }
  } catch (error) {
    write(stringify(explain(error)));
  }
})();
